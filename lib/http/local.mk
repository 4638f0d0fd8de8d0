noinst_LIBRARIES += lib/libhttp.a
lib_libhttp_a_SOURCES = %D%/http.h %D%/query.c %D%/media.c %D%/status.c
