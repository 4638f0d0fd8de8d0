if HAVE_CRITERION
check_PROGRAMS += tests/unit/workers/t_wheel tests/unit/workers/t_route
TESTS += tests/unit/workers/t_wheel tests/unit/workers/t_route
endif
tests_unit_workers_t_wheel_SOURCES = %D%/t_wheel.c workers/wheel.c
tests_unit_workers_t_wheel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_workers_t_wheel_LDADD = lib/libbase.a $(UNIT_LIBS)
tests_unit_workers_t_route_SOURCES = %D%/t_route.c workers/route.c
tests_unit_workers_t_route_CFLAGS = $(UNIT_CFLAGS)
tests_unit_workers_t_route_LDADD = lib/libhttp.a lib/libbase.a $(UNIT_LIBS)
