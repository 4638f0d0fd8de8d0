noinst_LIBRARIES += lib/libfcgi.a
lib_libfcgi_a_SOURCES = \
	%D%/record.h %D%/nameset.h %D%/gate.c %D%/gate.h %D%/fcgi_req.c %D%/fcgi_req.h \
	%D%/response.c %D%/response.h %D%/encode.c %D%/encode.h %D%/decode.c %D%/decode.h
lib_libfcgi_a_CPPFLAGS = $(AM_CPPFLAGS) $(FCGI_CFLAGS)
