if HAVE_CRITERION
CTL_TESTS = tests/unit/ctl/t_frame tests/unit/ctl/t_dispatch tests/unit/ctl/t_heritage
check_PROGRAMS += $(CTL_TESTS)
TESTS += $(CTL_TESTS)
CTL_TEST_LIBS = lib/libctl.a lib/libbase.a $(UNIT_LIBS)

tests_unit_ctl_t_frame_SOURCES = %D%/t_frame.c
tests_unit_ctl_t_frame_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ctl_t_frame_LDADD = $(CTL_TEST_LIBS)
tests_unit_ctl_t_dispatch_SOURCES = %D%/t_dispatch.c
tests_unit_ctl_t_dispatch_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ctl_t_dispatch_LDADD = $(CTL_TEST_LIBS)
tests_unit_ctl_t_heritage_SOURCES = %D%/t_heritage.c
tests_unit_ctl_t_heritage_CFLAGS = $(UNIT_CFLAGS)
tests_unit_ctl_t_heritage_LDADD = $(CTL_TEST_LIBS)
endif
