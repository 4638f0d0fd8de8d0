/* hello: the smallest handler, and one that takes its time on a thread.
 *
 *	cc -shared -fPIC -o hello.so hello.c
 *	-- @route   GET /hello/{name}
 *	-- @handler hello.so Good morning
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/weir.h"

static void work(struct weir_request *r, void *greeting)
{
	char text[256];

	/* here one may block: read files, ask another server */
	snprintf(text, sizeof(text), "{\"says\":\"%s\",\"length\":%zu}", (const char *)greeting, strlen(weir_param(r, "name")));
	weir_write(r, text, strlen(text));
}

static void after(struct weir_request *r, void *greeting)
{
	(void)greeting;
	weir_add_header(r, "Content-Type", "application/json");
	weir_done(r);
}

static void handle(struct weir_request *r, void *greeting)
{
	if (strcmp(weir_param(r, "name"), "nobody") == 0) {
		weir_status(r, 404);
		weir_done(r);
		return;
	}
	weir_work(r, work, after, greeting);
}

static int init(const char *argument, void **state)
{
	*state = strdup(argument);
	return *state ? 0 : -1;
}

const struct weir_module weir_module = {.api = WEIR_API, .init = init, .handle = handle, .done = free};
