noinst_LIBRARIES += lib/libauth.a
lib_libauth_a_SOURCES = %D%/auth.c %D%/auth.h %D%/identity.c %D%/identity.h %D%/jwt.c %D%/jwt.h \
	%D%/token_cache.c %D%/token_cache.h
