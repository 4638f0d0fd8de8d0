# Not part of make check: `make bench-programs`, then tests/bench/run (see %D%/README.md).
EXTRA_PROGRAMS += tests/bench/ceiling
tests_bench_ceiling_SOURCES = %D%/ceiling.c
tests_bench_ceiling_CFLAGS = $(AM_CFLAGS) $(LIBPQ_CFLAGS) $(FCGI_CFLAGS)
tests_bench_ceiling_LDADD = $(LIBPQ_LIBS)

bench-programs: tests/bench/ceiling$(EXEEXT)
.PHONY: bench-programs
CLEANFILES += tests/bench/ceiling$(EXEEXT)

EXTRA_DIST += %D%/README.md %D%/run %D%/instructions %D%/keepalive.py %D%/soak %D%/notify %D%/l2 %D%/workload %D%/data.sql %D%/wrk.lua \
	%D%/endpoints/null.sql %D%/endpoints/row.sql %D%/endpoints/rows12.sql %D%/endpoints/rows50.sql \
	%D%/weirbench/__init__.py %D%/weirbench/bench.py %D%/weirbench/fcgi.py %D%/weirbench/machine.py %D%/weirbench/peers.py \
	%D%/weirbench/report.py %D%/weirbench/servers.py \
	%D%/php/lib.php %D%/php/null.php %D%/php/row.php %D%/php/rows12.php %D%/php/rows50.php %D%/php/q20.php \
	%D%/node/package.json %D%/node/common.js %D%/node/routes.js %D%/node/express.js %D%/node/fastify.js \
	%D%/node/fastify-postgres.js %D%/node/bun.js
