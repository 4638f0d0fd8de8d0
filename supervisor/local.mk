sbin_PROGRAMS += supervisor/weird
bin_PROGRAMS += supervisor/weirctl

supervisor_weird_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
supervisor_weird_SOURCES = %D%/weird.h %D%/main.c %D%/children.c %D%/handover.c %D%/generation.c %D%/reload.c %D%/stop.c \
	%D%/check.c %D%/control.c %D%/cmd.c %D%/listen.c %D%/listen.h %D%/queue.c %D%/logs.c %D%/logs.h %D%/notify.c \
	%D%/notify.h %D%/reap.c %D%/reap.h %D%/spawn.c %D%/spawn.h
supervisor_weird_LDADD = lib/libctl.a lib/libconf.a lib/libshm.a lib/libjson.a lib/libbase.a \
	$(LIBUV_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS) -lm
supervisor_weirctl_SOURCES = %D%/weirctl.c
supervisor_weirctl_LDADD = lib/libctl.a lib/libbase.a
