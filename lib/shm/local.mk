noinst_LIBRARIES += lib/libshm.a
lib_libshm_a_SOURCES = \
	%D%/region.c %D%/region.h %D%/board.c %D%/board.h %D%/process.c %D%/process.h %D%/histo.c %D%/histo.h \
	%D%/metrics.c %D%/metrics.h %D%/metrics_fmt.c %D%/performance.c \
	%D%/slots.c %D%/slots.h %D%/express.c \
	%D%/purge.c %D%/purge.h %D%/stamps.c %D%/stamps.h %D%/digest.c %D%/digest.h \
	%D%/cache.c %D%/cache.h %D%/cache_priv.h %D%/cache_shard.c %D%/cache_evict.c %D%/cache_scan.c %D%/cache_void.c \
	%D%/flight.c %D%/flight.h \
	%D%/breaker.c %D%/breaker.h %D%/sick.c %D%/sick.h
lib_libshm_a_SOURCES += %D%/said.c %D%/said.h
