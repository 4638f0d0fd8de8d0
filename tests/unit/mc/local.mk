if HAVE_CRITERION
MC_TESTS = tests/unit/mc/t_mc tests/unit/mc/t_mc_fault tests/unit/mc/t_mc_value
check_PROGRAMS += $(MC_TESTS)
TESTS += $(MC_TESTS)
endif
MC_TEST_LIBS = lib/libmc.a lib/libconf.a lib/libshm.a lib/libbase.a $(LIBMEMCACHED_LIBS) $(XXHASH_LIBS) $(UNIT_LIBS)
tests_unit_mc_t_mc_SOURCES = %D%/t_mc.c %D%/mc_rig.c %D%/mc_rig.h
tests_unit_mc_t_mc_CFLAGS = $(UNIT_CFLAGS) $(LIBMEMCACHED_CFLAGS)
tests_unit_mc_t_mc_LDADD = $(MC_TEST_LIBS)
tests_unit_mc_t_mc_fault_SOURCES = %D%/t_mc_fault.c %D%/mc_rig.c %D%/mc_rig.h
tests_unit_mc_t_mc_fault_CFLAGS = $(UNIT_CFLAGS)
tests_unit_mc_t_mc_fault_LDADD = $(MC_TEST_LIBS)
tests_unit_mc_t_mc_value_SOURCES = %D%/t_mc_value.c
tests_unit_mc_t_mc_value_CFLAGS = $(UNIT_CFLAGS)
tests_unit_mc_t_mc_value_LDADD = $(MC_TEST_LIBS)
