#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/limits.h"

static char root[] = "/tmp/t_limits.XXXXXX";

static void put(const char *path, const char *text)
{
	char full[256], *slash = full;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	f = fopen(full, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void end(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	cr_expect_eq(system(command), 0);
}

/* 7.41: of v1 and v2, of the own group and of those above. */
Test(limits, finds_the_least_memory_limit, .fini = end)
{
	cr_assert(mkdtemp(root));
	cr_expect_eq(limits_group_memory(SLICE("0::/system.slice/weir.service\n"), root), UINT64_MAX);
	put("system.slice/weir.service/memory.max", "max\n");
	cr_expect_eq(limits_group_memory(SLICE("0::/system.slice/weir.service\n"), root), UINT64_MAX);
	put("system.slice/memory.max", "2147483648\n");
	cr_expect_eq(limits_group_memory(SLICE("0::/system.slice/weir.service\n"), root), 2147483648u);
	put("system.slice/weir.service/memory.max", "1073741824\n");
	cr_expect_eq(limits_group_memory(SLICE("0::/system.slice/weir.service\n"), root), 1073741824u);
	/* in a container's own name space */
	put("memory.max", "536870912\n");
	cr_expect_eq(limits_group_memory(SLICE("0::/\n"), root), 536870912u);
	/* v1, beside a v2 that has no controllers */
	put("memory/docker/abc/memory.limit_in_bytes", "268435456\n");
	put("memory/memory.limit_in_bytes", "9223372036854771712\n");
	cr_expect_eq(limits_group_memory(SLICE("12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n"), root), 268435456u);
	cr_expect_eq(limits_group_memory(SLICE(""), root), UINT64_MAX);
	cr_expect_eq(limits_group_memory(SLICE("garbage\n::::\n4:memory\n"), root), 9223372036854771712u);
}
