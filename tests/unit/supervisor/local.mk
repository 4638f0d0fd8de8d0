if HAVE_CRITERION
check_PROGRAMS += tests/unit/supervisor/t_reap
TESTS += tests/unit/supervisor/t_reap
tests_unit_supervisor_t_reap_SOURCES = %D%/t_reap.c supervisor/reap.c
tests_unit_supervisor_t_reap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_supervisor_t_reap_LDADD = lib/libbase.a $(UNIT_LIBS)
endif
