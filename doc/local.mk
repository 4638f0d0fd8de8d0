# Pages with a list of keys, commands, directives or metrics are a hand-written part (NAME.in) with the list out of
# gen/ at "@insert NAME@". gen/ is what "weird -x NAME" prints, committed, so that the pages are read without a build;
# "make doc-gen" writes it again, tests/style/man.sh compares.
doc_gen = %D%/gen/options.mdoc %D%/gen/commands.mdoc %D%/gen/directives.mdoc %D%/gen/metrics.mdoc %D%/gen/errors.mdoc %D%/gen/sqlstates.mdoc
doc_in = %D%/weir.conf.5.in %D%/weirctl.8.in %D%/weir-endpoint.7.in %D%/weir-monitor.8.in
doc_made = %D%/weir.conf.5 %D%/weirctl.8 %D%/weir-endpoint.7 %D%/weir-monitor.8

dist_man_MANS += %D%/weird.8 %D%/weir-worker.8
nodist_man_MANS = $(doc_made)
EXTRA_DIST += $(doc_in) $(doc_gen)
CLEANFILES += $(doc_made)
dist_doc_DATA += %D%/ARCHITECTURE.md %D%/WHERE.md %D%/identity.md %D%/invalidation.md %D%/memcached.md

$(doc_made): $(doc_gen)
%D%/weir.conf.5: %D%/weir.conf.5.in
%D%/weirctl.8: %D%/weirctl.8.in
%D%/weir-endpoint.7: %D%/weir-endpoint.7.in
%D%/weir-monitor.8: %D%/weir-monitor.8.in
$(doc_made):
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(AWK) -v dir='$(srcdir)/%D%/gen/' '/^@insert [a-z]+@$$/ { \
		file = dir substr($$2, 1, length($$2) - 1) ".mdoc"; \
		while ((got = (getline line < file)) > 0) print line; \
		if (got < 0) { print file ": cannot be read" > "/dev/stderr"; exit 1 } next } { print }' \
		$(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

.PHONY: doc-gen
doc-gen: supervisor/weird
	for x in options commands directives metrics errors sqlstates; do \
		supervisor/weird -x $$x >$(srcdir)/%D%/gen/$$x.mdoc || exit 1; done
	supervisor/weird -x conf >$(srcdir)/conf/weir.conf
