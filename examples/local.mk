EXTRA_DIST += %D%/studio
