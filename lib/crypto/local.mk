noinst_LIBRARIES += lib/libcrypto.a
lib_libcrypto_a_SOURCES = %D%/digest.c %D%/digest.h %D%/sign.c %D%/sign.h %D%/sign_priv.h %D%/ed25519.c
lib_libcrypto_a_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
