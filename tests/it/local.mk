# The integration tests need a build tree and servers: tests/run it. Whole folders are released.
EXTRA_DIST += tests/run tests/packages .ci/run tests/it sql examples

dist-hook:
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +
	cd $(distdir)/tests/it/handlers && rm -rf *.o *.so http_rules .deps .dirstamp

# A handler as its author builds one, but that it takes lib/http's sources along.
noinst_PROGRAMS += tests/it/handlers/upstream.so tests/it/handlers/http_rules
tests_it_handlers_upstream_so_SOURCES = %D%/handlers/upstream.c lib/http/http_fields.c lib/http/http_store.c lib/http/http_cc.c \
	lib/http/http_date.c lib/http/http_vary.c lib/http/http_etag.c lib/http/media.c lib/base/buf.c lib/base/arena.c \
	lib/base/check.c lib/base/num.c
tests_it_handlers_upstream_so_CFLAGS = -std=gnu17 $(WARN_CFLAGS) $(SAN_CFLAGS) -fPIC
tests_it_handlers_upstream_so_LDFLAGS = -shared $(SAN_CFLAGS)
tests_it_handlers_http_rules_SOURCES = %D%/handlers/http_rules.c
tests_it_handlers_http_rules_LDADD = lib/libhttp.a lib/libbase.a
