EXTRA_DIST += %D%/trace.h
if HAVE_CRITERION
FCGI_TESTS = tests/unit/fcgi/t_gate tests/unit/fcgi/t_response tests/unit/fcgi/t_fcgi_req
check_PROGRAMS += $(FCGI_TESTS)
TESTS += $(FCGI_TESTS)
FCGI_TEST_LIBS = lib/libfcgi.a lib/libbase.a $(FCGI_LIBS) $(UNIT_LIBS)

tests_unit_fcgi_t_gate_SOURCES = %D%/t_gate.c
tests_unit_fcgi_t_gate_CFLAGS = $(UNIT_CFLAGS) $(FCGI_CFLAGS)
tests_unit_fcgi_t_gate_LDADD = $(FCGI_TEST_LIBS)
tests_unit_fcgi_t_response_SOURCES = %D%/t_response.c
tests_unit_fcgi_t_response_CFLAGS = $(UNIT_CFLAGS) $(FCGI_CFLAGS)
tests_unit_fcgi_t_response_LDADD = $(FCGI_TEST_LIBS)
tests_unit_fcgi_t_fcgi_req_SOURCES = %D%/t_fcgi_req.c
tests_unit_fcgi_t_fcgi_req_CFLAGS = $(UNIT_CFLAGS) $(FCGI_CFLAGS)
tests_unit_fcgi_t_fcgi_req_LDADD = $(FCGI_TEST_LIBS)
endif
