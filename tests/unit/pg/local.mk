if HAVE_CRITERION
check_PROGRAMS += tests/unit/pg/t_db_type tests/unit/pg/t_db_order tests/unit/pg/t_db_array tests/unit/pg/t_db_event tests/unit/pg/t_db_decode tests/unit/pg/t_db_canon
TESTS += tests/unit/pg/t_db_type tests/unit/pg/t_db_order tests/unit/pg/t_db_array tests/unit/pg/t_db_event tests/unit/pg/t_db_decode tests/unit/pg/t_db_canon
endif
tests_unit_pg_t_db_type_SOURCES = %D%/t_db_type.c
tests_unit_pg_t_db_type_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_type_LDADD = lib/libpg.a lib/libshm.a lib/libconf.a lib/libjson.a lib/libbase.a \
	$(LIBPQ_LIBS) $(JANSSON_LIBS) $(UNIT_LIBS) -lm
tests_unit_pg_t_db_order_SOURCES = %D%/t_db_order.c
tests_unit_pg_t_db_order_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_order_LDADD = lib/libpg.a lib/libbase.a $(UNIT_LIBS) -lm
tests_unit_pg_t_db_array_SOURCES = %D%/t_db_array.c
tests_unit_pg_t_db_array_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_array_LDADD = lib/libpg.a lib/libbase.a $(UNIT_LIBS)
tests_unit_pg_t_db_event_SOURCES = %D%/t_db_event.c
tests_unit_pg_t_db_event_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_event_LDADD = lib/libpg.a lib/libjson.a lib/libbase.a $(JANSSON_LIBS) $(UNIT_LIBS)
tests_unit_pg_t_db_decode_SOURCES = %D%/t_db_decode.c
tests_unit_pg_t_db_decode_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_decode_LDADD = lib/libpg.a lib/libbase.a $(UNIT_LIBS)
tests_unit_pg_t_db_canon_SOURCES = %D%/t_db_canon.c
tests_unit_pg_t_db_canon_CFLAGS = $(UNIT_CFLAGS)
tests_unit_pg_t_db_canon_LDADD = lib/libpg.a lib/libshm.a lib/libconf.a lib/libjson.a lib/libbase.a \
	$(LIBPQ_LIBS) $(JANSSON_LIBS) $(UNIT_LIBS) -lm
