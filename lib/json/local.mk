noinst_LIBRARIES += lib/libjson.a
lib_libjson_a_SOURCES = %D%/jw.c %D%/jw.h %D%/jr.c %D%/jr.h %D%/jv.c %D%/jv.h
lib_libjson_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
