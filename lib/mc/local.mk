noinst_LIBRARIES += lib/libmc.a
lib_libmc_a_SOURCES = %D%/mc.c %D%/mc.h %D%/mc_priv.h %D%/mc_io.c %D%/mc_node.c %D%/mc_probe.c \
	%D%/mc_value.c %D%/mc_value.h
lib_libmc_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBMEMCACHED_CFLAGS)
