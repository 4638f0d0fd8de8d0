/* fuzz_conf: any text as weir.conf. Whatever it is, the options are complete afterwards, and one
 * bad file must not change how the next one is read (libconfuse keeps state between parses). */
#include "config.h"

#include <stdint.h>

#include "lib/base/check.h"
#include "lib/conf/errs.h"
#include "lib/conf/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options o, plain;
	struct errs errs;
	struct buf b;
	int n;

	errs_init(&errs);
	buf_init(&b, 0);
	n = options_parse(&o, "w.conf", slice_of((const char *)data, size), &errs);
	check((size_t)n == errs.n_all);
	options_to_json(&o, &b);
	check(b.n > 100);
	errs_to_text(&errs, &b);
	check(options_parse(&plain, "w.conf", SLICE("database a { conninfo = b }"), &errs) == 0);
	buf_clear(&b);
	(void)options_need_restart(&o, &plain, &b);
	options_done(&o);
	options_done(&plain);
	buf_done(&b);
	errs_done(&errs);
	return 0;
}
