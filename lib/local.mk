noinst_LIBRARIES += lib/libbase.a
lib_libbase_a_SOURCES =
include lib/base/local.mk
include lib/shm/local.mk
include lib/conf/local.mk
include lib/ctl/local.mk
include lib/json/local.mk
include lib/crypto/local.mk
include lib/auth/local.mk
include lib/fcgi/local.mk
include lib/http/local.mk
include lib/pg/local.mk
include lib/mc/local.mk

EXTRA_DIST += lib/tbl/README
lib_libbase_a_SOURCES += lib/tbl/errors.h lib/tbl/sqlstates.h lib/tbl/options.h lib/tbl/directives.h lib/tbl/depends.h lib/tbl/steps.h \
	lib/tbl/states.h lib/tbl/commands.h lib/tbl/metrics.h
