# Vectors of FIPS 180-4, RFC 4231, RFC 7515 and RFC 8037.
if HAVE_CRITERION
CRYPTO_TESTS = tests/unit/crypto/t_digest tests/unit/crypto/t_sign
check_PROGRAMS += $(CRYPTO_TESTS)
TESTS += $(CRYPTO_TESTS)
CRYPTO_TEST_LIBS = lib/libcrypto.a lib/libbase.a $(CRYPTO_LIBS) $(UNIT_LIBS)

tests_unit_crypto_t_digest_SOURCES = %D%/t_digest.c
tests_unit_crypto_t_digest_CFLAGS = $(UNIT_CFLAGS)
tests_unit_crypto_t_digest_LDADD = $(CRYPTO_TEST_LIBS)
tests_unit_crypto_t_sign_SOURCES = %D%/t_sign.c
tests_unit_crypto_t_sign_CFLAGS = $(UNIT_CFLAGS)
tests_unit_crypto_t_sign_LDADD = $(CRYPTO_TEST_LIBS)
endif
