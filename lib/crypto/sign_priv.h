/* What sign.c has of its neighbours. Layer: lib/crypto. */
#ifndef WEIR_CRYPTO_SIGN_PRIV_H
#define WEIR_CRYPTO_SIGN_PRIV_H

#include "lib/base/slice.h"

/* A canonical encoding of a point on the curve whose order is not small? */
int ed25519_is_key(struct slice x);

#endif
