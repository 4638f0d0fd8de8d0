if HAVE_CRITERION
SHM_TESTS = tests/unit/shm/t_breaker tests/unit/shm/t_histo tests/unit/shm/t_metrics tests/unit/shm/t_slots \
	tests/unit/shm/t_express tests/unit/shm/t_region tests/unit/shm/t_stamps \
	tests/unit/shm/t_cache tests/unit/shm/t_purge tests/unit/shm/t_flight tests/unit/shm/t_said tests/unit/shm/t_stamps_model
check_PROGRAMS += $(SHM_TESTS)
TESTS += $(SHM_TESTS)
SHM_TEST_LIBS = lib/libshm.a lib/libbase.a $(XXHASH_LIBS) $(UNIT_LIBS)

tests_unit_shm_t_purge_SOURCES = %D%/t_purge.c
tests_unit_shm_t_purge_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_purge_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_histo_SOURCES = %D%/t_histo.c
tests_unit_shm_t_histo_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_histo_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_metrics_SOURCES = %D%/t_metrics.c
tests_unit_shm_t_metrics_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_metrics_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_slots_SOURCES = %D%/t_slots.c
tests_unit_shm_t_slots_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_slots_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_express_SOURCES = %D%/t_express.c
tests_unit_shm_t_express_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_express_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_region_SOURCES = %D%/t_region.c
tests_unit_shm_t_region_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_region_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_stamps_SOURCES = %D%/t_stamps.c
tests_unit_shm_t_stamps_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_stamps_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_cache_SOURCES = %D%/t_cache.c
tests_unit_shm_t_cache_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_cache_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_said_SOURCES = %D%/t_said.c
tests_unit_shm_t_said_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_said_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_flight_SOURCES = %D%/t_flight.c
tests_unit_shm_t_flight_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_flight_LDADD = $(SHM_TEST_LIBS)
tests_unit_shm_t_stamps_model_SOURCES = %D%/t_stamps_model.c
tests_unit_shm_t_stamps_model_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_stamps_model_LDADD = $(UNIT_LIBS)
tests_unit_shm_t_breaker_SOURCES = %D%/t_breaker.c
tests_unit_shm_t_breaker_CFLAGS = $(UNIT_CFLAGS)
tests_unit_shm_t_breaker_LDADD = $(SHM_TEST_LIBS)
endif
