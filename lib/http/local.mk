noinst_LIBRARIES += lib/libhttp.a
lib_libhttp_a_SOURCES = %D%/http.h %D%/query.c %D%/target.c %D%/target.h %D%/media.c %D%/status.c %D%/http_date.c %D%/http_date.h \
	%D%/http_etag.c %D%/http_etag.h %D%/http_cc.c %D%/http_cc.h %D%/http_cache_status.c %D%/http_cache_status.h \
	%D%/http_encode.c %D%/http_encode.h %D%/http_fields.c %D%/http_fields.h \
	%D%/http_store.c %D%/http_store.h %D%/http_vary.c %D%/http_vary.h
lib_libhttp_a_SOURCES += %D%/uri.c
