sbin_PROGRAMS += supervisor/weird
bin_PROGRAMS += supervisor/weirctl

# All of weird but its main, so that unit tests can link it.
noinst_LIBRARIES += supervisor/libweird.a
supervisor_libweird_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
supervisor_libweird_a_SOURCES = %D%/reap.c %D%/reap.h %D%/spawn.c %D%/spawn.h %D%/notify.c \
	%D%/notify.h %D%/listen.c %D%/listen.h %D%/holders.c %D%/holders.h %D%/queue.c %D%/logs.c %D%/logs.h %D%/generation.c \
	%D%/children.c %D%/respawn.c %D%/limits.c %D%/limits.h %D%/handover.c %D%/keepers.c %D%/stop.c %D%/reload.c %D%/reload.h %D%/check.c %D%/control.c \
	%D%/control.h %D%/cmd_show.c %D%/cmd_act.c %D%/cmd_cache.c %D%/cmd_cache.h %D%/cmd_cache_keys.c %D%/table.c %D%/table.h %D%/validate.c \
	%D%/validate.h %D%/weird.h

supervisor_libweird_a_SOURCES += %D%/settle.c %D%/settle.h
SUPERVISOR_LIBS = lib/libctl.a lib/libconf.a lib/libshm.a lib/libjson.a lib/libbase.a
supervisor_weird_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
supervisor_weird_SOURCES = %D%/main.c
supervisor_weird_LDADD = supervisor/libweird.a $(SUPERVISOR_LIBS) $(LIBUV_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) \
	$(XXHASH_LIBS) -lm

supervisor_weirctl_SOURCES = %D%/weirctl.c
supervisor_weirctl_LDADD = lib/libctl.a lib/libbase.a
