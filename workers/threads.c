#include "config.h"

#include "workers/threads.h"

#include <stdio.h>
#include <stdlib.h>

#define OTHERS 4u	/* compression, handlers, reading files */

void threads_plan(unsigned n_databases, unsigned jobs_each)
{
	char n[16];

	snprintf(n, sizeof(n), "%u", OTHERS + n_databases * jobs_each);
	(void)setenv("UV_THREADPOOL_SIZE", n, 1);
}
