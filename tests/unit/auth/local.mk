if HAVE_CRITERION
AUTH_TESTS = tests/unit/auth/t_jwt tests/unit/auth/t_identity tests/unit/auth/t_token_cache
check_PROGRAMS += $(AUTH_TESTS)
TESTS += $(AUTH_TESTS)
AUTH_TEST_LIBS = lib/libauth.a lib/libconf.a lib/libcrypto.a lib/libjson.a lib/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS) \
	$(CRYPTO_LIBS) -lm $(UNIT_LIBS)

tests_unit_auth_t_jwt_SOURCES = %D%/t_jwt.c %D%/auth_test.h
tests_unit_auth_t_jwt_CFLAGS = $(UNIT_CFLAGS)
tests_unit_auth_t_jwt_LDADD = $(AUTH_TEST_LIBS)
tests_unit_auth_t_identity_SOURCES = %D%/t_identity.c %D%/auth_test.h
tests_unit_auth_t_identity_CFLAGS = $(UNIT_CFLAGS)
tests_unit_auth_t_identity_LDADD = $(AUTH_TEST_LIBS)
tests_unit_auth_t_token_cache_SOURCES = %D%/t_token_cache.c
tests_unit_auth_t_token_cache_CFLAGS = $(UNIT_CFLAGS)
tests_unit_auth_t_token_cache_LDADD = $(AUTH_TEST_LIBS)
endif
