noinst_LIBRARIES += lib/libctl.a
lib_libctl_a_SOURCES = %D%/frame.c %D%/frame.h %D%/dispatch.c %D%/dispatch.h %D%/heritage.c \
	%D%/heritage.h
