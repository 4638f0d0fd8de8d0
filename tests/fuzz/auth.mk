FUZZ_TARGETS += tests/fuzz/fuzz_jwt tests/fuzz/fuzz_jwks tests/fuzz/fuzz_apikeys
AUTH_FUZZ_LIBS = lib/libauth.a lib/libconf.a lib/libcrypto.a lib/libjson.a lib/libbase.a $(CONFUSE_LIBS) $(JANSSON_LIBS) \
	$(CRYPTO_LIBS) -lm
tests_fuzz_fuzz_jwt_SOURCES = %D%/fuzz_jwt.c $(FUZZ_MAIN)
tests_fuzz_fuzz_jwt_LDADD = $(AUTH_FUZZ_LIBS)
tests_fuzz_fuzz_jwt_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_jwks_SOURCES = %D%/fuzz_jwks.c $(FUZZ_MAIN)
tests_fuzz_fuzz_jwks_LDADD = $(AUTH_FUZZ_LIBS)
tests_fuzz_fuzz_jwks_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_apikeys_SOURCES = %D%/fuzz_apikeys.c $(FUZZ_MAIN)
tests_fuzz_fuzz_apikeys_LDADD = $(AUTH_FUZZ_LIBS)
tests_fuzz_fuzz_apikeys_LDFLAGS = $(FUZZ_LINK)
