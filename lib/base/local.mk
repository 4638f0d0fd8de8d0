lib_libbase_a_SOURCES += \
	%D%/base.h %D%/check.c %D%/check.h %D%/err.c %D%/err.h %D%/sqlstate.c %D%/sqlstate.h %D%/slice.h %D%/b64.c %D%/b64.h %D%/buf.c %D%/buf.h \
	%D%/arena.c %D%/arena.h %D%/list.h %D%/hash.c %D%/hash.h %D%/clock.c %D%/clock.h \
	%D%/num.c %D%/num.h %D%/utf8.c %D%/utf8.h %D%/net.c %D%/net.h %D%/visible.c %D%/visible.h %D%/fdio.c %D%/fdio.h %D%/log.c %D%/log.h %D%/logfile.c %D%/logfile.h
