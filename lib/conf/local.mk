noinst_LIBRARIES += lib/libconf.a
lib_libconf_a_CFLAGS = $(AM_CFLAGS) $(CONFUSE_CFLAGS)
lib_libconf_a_SOURCES = \
	%D%/depends.c %D%/depends.h %D%/tag.c %D%/tag.h %D%/errs.c %D%/errs.h %D%/near.c %D%/near.h %D%/conf_file.c %D%/conf_file.h \
	%D%/options.c %D%/options.h %D%/options_row.c %D%/options_row.h %D%/options_check.c \
	%D%/options_fmt.c %D%/errors_fmt.c %D%/errors_fmt.h %D%/lex.c %D%/lex.h %D%/lane.c %D%/lane.h %D%/directive.c %D%/directive.h \
	%D%/directive_param.c %D%/directive_auth.c %D%/directive_kept.c %D%/directive_cache.c %D%/directive_include.c %D%/cache_server.c %D%/cache_server.h %D%/endpoint.c %D%/endpoint.h %D%/snapshot.c \
	%D%/jwks.c %D%/jwks.h %D%/apikeys.c %D%/apikeys.h %D%/auth_files.c %D%/auth_files.h \
	%D%/snapshot.h
lib_libconf_a_SOURCES += %D%/session.c %D%/session.h
lib_libconf_a_SOURCES += %D%/trap.c %D%/trap.h
lib_libconf_a_SOURCES += %D%/conninfo.c %D%/conninfo.h
