/* fuzz_apikeys: any text as a file of API keys. What is accepted is found by its digest, and only so. */
#include "config.h"

#include <stdint.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/conf/apikeys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct apikeys s;
	struct errs errs;
	int n;

	errs_init(&errs);
	apikeys_init(&s);
	n = apikeys_parse(&s, "f", slice_of((const char *)data, size), &errs);
	check((n == 0) == (errs.n_all == 0));
	for (unsigned i = 0; i < s.n && n == 0; i++) {
		const struct apikey *k = s.v[i];

		check(apikeys_find(&s, k->digest) == (int)i);
		check(k->id[0] && k->n_roles <= APIKEYS_MAX_ROLES && k->n_claims <= APIKEYS_MAX_CLAIMS);
		check(!k->user || utf8_is_valid(slice_str(k->user)));
	}
	apikeys_done(&s);
	errs_done(&errs);
	return 0;
}
