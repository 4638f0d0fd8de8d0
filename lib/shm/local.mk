noinst_LIBRARIES += lib/libshm.a
lib_libshm_a_SOURCES = \
	%D%/region.c %D%/region.h %D%/board.c %D%/board.h %D%/process.c %D%/process.h %D%/histo.c %D%/histo.h \
	%D%/metrics.c %D%/metrics.h %D%/metrics_fmt.c %D%/performance.c \
	%D%/slots.c %D%/slots.h %D%/express.c \
	%D%/purge.c %D%/purge.h %D%/stamps.c %D%/stamps.h %D%/digest.c %D%/digest.h \
	%D%/cache.c %D%/cache.h %D%/cache_priv.h %D%/cache_shard.c %D%/cache_evict.c %D%/cache_scan.c %D%/cache_void.c \
	%D%/flight.c %D%/flight.h \
	%D%/breaker.c %D%/breaker.h %D%/sick.c %D%/sick.h
lib_libshm_a_SOURCES += %D%/said.c %D%/said.h %D%/refused.c %D%/refused.h

# Whoever attaches compares it: another build's memory is not read, whatever differs in these.
layout_headers = %D%/region.h %D%/board.h %D%/process.h %D%/histo.h %D%/metrics.h %D%/slots.h %D%/purge.h %D%/stamps.h \
	%D%/flight.h %D%/breaker.h %D%/sick.h %D%/said.h %D%/refused.h %D%/cache_priv.h lib/tbl/metrics.h lib/tbl/states.h lib/tbl/steps.h
EXTRA_DIST += %D%/layout_id.sh
BUILT_SOURCES += %D%/layout_id.h
CLEANFILES += %D%/layout_id.h
%D%/layout_id.h: $(layout_headers) %D%/layout_id.sh
	$(AM_V_GEN)$(MKDIR_P) $(@D) && (cd $(srcdir) && sh %D%/layout_id.sh "$(CC)" $(layout_headers)) >$@.tmp && mv $@.tmp $@
%D%/lib_libshm_a-region.$(OBJEXT) %D%/region.$(OBJEXT): %D%/layout_id.h
