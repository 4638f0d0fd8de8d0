check_PROGRAMS += tests/stress/shm_kill
TESTS += tests/stress/shm_kill
tests_stress_shm_kill_SOURCES = %D%/shm_kill.c
tests_stress_shm_kill_LDADD = lib/libshm.a lib/libbase.a $(XXHASH_LIBS)
