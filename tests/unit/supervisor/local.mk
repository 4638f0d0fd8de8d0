if HAVE_CRITERION
check_PROGRAMS += tests/unit/supervisor/t_reap tests/unit/supervisor/t_limits
TESTS += tests/unit/supervisor/t_reap tests/unit/supervisor/t_limits
tests_unit_supervisor_t_reap_SOURCES = %D%/t_reap.c supervisor/reap.c
tests_unit_supervisor_t_reap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_supervisor_t_reap_LDADD = lib/libbase.a $(UNIT_LIBS)
tests_unit_supervisor_t_limits_SOURCES = %D%/t_limits.c supervisor/limits.c
tests_unit_supervisor_t_limits_CFLAGS = $(UNIT_CFLAGS)
tests_unit_supervisor_t_limits_LDADD = lib/libconf.a lib/libbase.a $(UNIT_LIBS)
endif
