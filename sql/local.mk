EXTRA_DIST += %D%/schema.sql %D%/generate.sql %D%/indexes.sql %D%/explain-endpoints %D%/weir/roles.sql
