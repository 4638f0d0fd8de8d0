# check_PROGRAMS of Criterion (unit), plain TAP programs (stress, fuzz replay), scripts (style).
TEST_EXTENSIONS = .sh .t
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh --comments
AM_LOG_FLAGS =
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/tap-run
T_LOG_DRIVER = $(LOG_DRIVER)
EXTRA_DIST += build-aux/tap-driver.sh %D%/tap-run %D%/lsan.supp
AM_TESTS_ENVIRONMENT = TOP_SRCDIR='$(abs_top_srcdir)' TOP_BUILDDIR='$(abs_top_builddir)'; \
	export TOP_SRCDIR TOP_BUILDDIR;

# A unit test may use its own layer and those below it; the link line says so.
UNIT_CFLAGS = -std=gnu17 $(WARN_CFLAGS) $(SAN_CFLAGS) $(CRITERION_CFLAGS) -Wno-pedantic \
	-Wno-missing-prototypes -Wno-shadow -Wno-conversion -Wno-format-nonliteral \
	-Wno-null-dereference
UNIT_LIBS = $(CRITERION_LIBS)

include tests/unit/base/local.mk
include tests/unit/shm/local.mk
include tests/unit/conf/local.mk
include tests/unit/ctl/local.mk
include tests/unit/json/local.mk
include tests/unit/crypto/local.mk
include tests/unit/auth/local.mk
include tests/unit/http/local.mk
include tests/unit/fcgi/local.mk
include tests/unit/pg/local.mk
include tests/unit/mc/local.mk
include tests/unit/workers/local.mk
include tests/unit/supervisor/local.mk
include tests/fuzz/local.mk
include tests/fuzz/fcgi.mk
include tests/fuzz/conf.mk
include tests/fuzz/http.mk
include tests/fuzz/ctl.mk
include tests/fuzz/json.mk
include tests/fuzz/mc.mk
include tests/fuzz/auth.mk
include tests/fuzz/pg.mk
include tests/stress/local.mk
include tests/style/local.mk
include tests/it/local.mk
include tests/bench/local.mk
