# Snippets for web servers and the unit files are installed below the documentation; a package puts the latter where
# its system looks for them.
conf_snippets = \
	%D%/nginx/weir_params %D%/nginx/weir_upstream.conf %D%/nginx/weir_locations.conf \
	%D%/apache/weir_proxy.conf %D%/apache/weir_fcgid.conf \
	%D%/lighttpd/weir_socket.conf %D%/lighttpd/weir_binpath.conf \
	%D%/haproxy/weir.cfg \
	%D%/systemd/weir.socket %D%/systemd/weir.sysusers %D%/systemd/weir.tmpfiles \
	%D%/logrotate/weir %D%/weir.conf
examplesdir = $(docdir)/examples
nobase_dist_examples_DATA = $(conf_snippets)
nobase_nodist_examples_DATA = %D%/systemd/weir.service
EXTRA_DIST += %D%/systemd/weir.service.in
CLEANFILES += %D%/systemd/weir.service

%D%/systemd/weir.service: %D%/systemd/weir.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]bindir[@]|$(bindir)|g' \
		-e 's|[@]sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/%D%/systemd/weir.service.in >$@.tmp && mv $@.tmp $@

# What psql reads is installed as data; the folder is released as a whole (tests/it/local.mk).
weirsqldir = $(pkgdatadir)/sql
weirsql_DATA = sql/weir/events.sql
