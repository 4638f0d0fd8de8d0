sbin_PROGRAMS += workers/weir-worker

WORKER_LIBS = lib/libmc.a lib/libpg.a lib/libauth.a lib/libhttp.a lib/libfcgi.a lib/libctl.a lib/libconf.a lib/libshm.a lib/libcrypto.a lib/libjson.a lib/libbase.a
WORKER_LINK = $(LIBMEMCACHED_LIBS) $(LIBPQ_LIBS) $(FCGI_LIBS) $(LIBUV_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS) $(ZLIB_LIBS) $(BROTLI_LIBS) -lm

workers_weir_worker_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
workers_weir_worker_SOURCES = workers/front.c workers/front.h %D%/keeper.c %D%/keeper.h workers/wheel.c workers/wheel.h workers/threads.c workers/threads.h %D%/main.c %D%/worker.h %D%/loop.c %D%/dbio.c %D%/access.c workers/peers.c workers/peers.h \
	%D%/setup.c %D%/sick.c %D%/sick.h %D%/tagtypes.c %D%/tagtypes.h %D%/check.c %D%/route.c %D%/route.h %D%/req.c %D%/req.h %D%/params.c %D%/params.h \
	%D%/tier.c %D%/tier.h %D%/handler.c %D%/handler_cache.c %D%/handler.h \
	%D%/reqid.c %D%/reqid.h %D%/problem.c %D%/problem.h %D%/step_gate.c %D%/step_parse.c %D%/step_identify.c %D%/step_route.c \
	%D%/step_body.c %D%/step_condition.c %D%/condition.h %D%/step_cache.c %D%/step_store.c %D%/reply_cache.c %D%/cachekey.c %D%/cachekey.h %D%/include.c %D%/include.h %D%/include_plan.c %D%/groups.c %D%/groups.h %D%/variant.c %D%/variant.h %D%/intent.c %D%/intent.h %D%/step_admit.c %D%/step_query.c %D%/step_render.c %D%/step_reply.c %D%/step_account.c
workers_weir_worker_SOURCES += %D%/value.c %D%/value.h
workers_weir_worker_SOURCES += %D%/responses.c %D%/responses.h
workers_weir_worker_SOURCES += %D%/trouble.c %D%/trouble.h
workers_weir_worker_SOURCES += %D%/connects.c %D%/connects.h
workers_weir_worker_SOURCES += %D%/hand.c %D%/hand.h %D%/older.c %D%/older.h
# what a handler may call, and nothing else
workers_weir_worker_LDFLAGS = $(AM_LDFLAGS) -Wl,--dynamic-list=$(srcdir)/workers/weir.sym
workers_weir_worker_DEPENDENCIES = $(WORKER_LIBS) workers/weir.sym
include_HEADERS = lib/weir.h
EXTRA_DIST += workers/weir.sym
workers_weir_worker_LDADD = $(WORKER_LIBS) $(WORKER_LINK) $(JEMALLOC_LIBS)

sbin_PROGRAMS += workers/weir-monitor
workers_weir_monitor_CPPFLAGS = $(AM_CPPFLAGS) $(LIBUV_CFLAGS)
workers_weir_monitor_SOURCES = workers/front.c workers/front.h %D%/keeper.c %D%/keeper.h workers/wheel.c workers/wheel.h workers/threads.c workers/threads.h workers/peers.c workers/peers.h \
	%D%/monitor/main.c %D%/monitor/monitor.h %D%/monitor/status.c %D%/monitor/watch.c %D%/monitor/connects.c %D%/monitor/scarce.c \
	%D%/monitor/events.c %D%/monitor/listener.c %D%/monitor/nonce.c %D%/monitor/configure.c \
	%D%/monitor/orphans.c %D%/monitor/slot.c %D%/monitor/tier.c
workers_weir_monitor_LDADD = $(WORKER_LIBS) $(WORKER_LINK)
