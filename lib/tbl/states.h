/* States of a child process's slot. Read with STATE() defined; no guard. STATE(id, letter, sentence) */
STATE(empty, '.', "No process.")
STATE(starting, 's', "Started, not ready yet.")
STATE(ready, 'R', "Serving.")
STATE(draining, 'D', "Asked to leave; finishes what it has.")
STATE(dumping, 'A', "Hung; asked for its stack.")
STATE(killing, 'K', "Sent SIGKILL.")
STATE(backoff, 'b', "Waits before it is started again.")
#undef STATE
