noinst_LIBRARIES += lib/libpg.a
lib_libpg_a_SOURCES = %D%/db.h %D%/db_priv.h %D%/db_decode.c %D%/db_decode.h %D%/db_slot.c %D%/db_slot.h %D%/db_event.c %D%/db_event.h %D%/db_listen.c %D%/db_listen.h %D%/db_type.c %D%/db_type.h %D%/db_row.c \
	%D%/db_conn.c %D%/db_pool.c %D%/db_describe.c %D%/db_canon.c %D%/db_canon.h %D%/db_watched.c %D%/db_wrap.c %D%/db_verify.c %D%/db_shape.c %D%/db_budget.c %D%/db_connect.c %D%/db_error.c %D%/db_job.c %D%/db_probe.c \
	%D%/db_within.c %D%/db_scarce.c %D%/db_lookup.c %D%/db_lookup.h
lib_libpg_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPQ_CFLAGS)
lib_libpg_a_SOURCES += %D%/db_conninfo.c %D%/db_hide.c
lib_libpg_a_SOURCES += %D%/db_array.c %D%/db_array.h %D%/db_order.c %D%/db_order.h
lib_libpg_a_SOURCES += %D%/db_result.c
lib_libpg_a_SOURCES += %D%/db_settle.c
lib_libpg_a_SOURCES += %D%/db_reach.c %D%/db_reset.c %D%/db_mark.c
lib_libpg_a_SOURCES += %D%/db_hold.c
lib_libpg_a_SOURCES += %D%/db_alive.c
lib_libpg_a_SOURCES += %D%/db_privilege.c %D%/db_utility.c %D%/db_utility.h
lib_libpg_a_SOURCES += %D%/db_slice.c %D%/db_recv.c
