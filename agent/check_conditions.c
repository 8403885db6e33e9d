/* See check_conditions.h.  A quota may stand at any level above us: the most throttled one counts. */
#include "agent/check_conditions.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/util/file.h"

enum { STAT_TEXT = 4096, STEAL_FIELD = 7, CPU_FIELDS = 8 };

static void read_ticks(struct conditions *c)
{
	unsigned long long v[CPU_FIELDS] = {0};
	char line[512];

	if (file_read_line("/proc/stat", line, sizeof(line)) < 0 ||
	    sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != CPU_FIELDS)
		return;
	for (unsigned i = 0; i < CPU_FIELDS; i++)
		c->ticks += v[i];
	c->steal_ticks = v[STEAL_FIELD];
	c->ticks_known = true;
}

/* Version 2 says throttled_usec, version 1 throttled_time in ns. */
static void read_cpu_stat(struct conditions *c, const char *path)
{
	char text[STAT_TEXT];
	const char *at;
	unsigned long long n;

	if (file_read(path, text, sizeof(text)) < 0)
		return;
	if ((at = strstr(text, "throttled_usec ")) && sscanf(at, "throttled_usec %llu", &n) == 1)
		n *= 1000;
	else if (!(at = strstr(text, "throttled_time ")) || sscanf(at, "throttled_time %llu", &n) != 1)
		return;
	c->throttled_known = true;
	c->throttled_ns = n > c->throttled_ns ? n : c->throttled_ns;
}

static void read_throttling(struct conditions *c)
{
	char text[STAT_TEXT], path[PATH_MAX + 64];
	char *group, *slash;

	read_cpu_stat(c, "/sys/fs/cgroup/cpu/cpu.stat");
	if (file_read("/proc/self/cgroup", text, sizeof(text)) < 0 || !(group = strstr(text, "0::/")))
		return;
	group += strlen("0::");
	group[strcspn(group, "\n")] = '\0';
	for (;;) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.stat", group);
		read_cpu_stat(c, path);
		slash = strrchr(group, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

void conditions_read(struct conditions *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->t_ns = clock_now_ns();
	read_ticks(ret);
	read_throttling(ret);
}

struct conditions_shares conditions_between(const struct conditions *before, const struct conditions *after)
{
	struct conditions_shares s = {0};

	s.steal_known = before->ticks_known && after->ticks_known && after->ticks > before->ticks;
	if (s.steal_known && after->steal_ticks > before->steal_ticks)
		s.steal = (double)(after->steal_ticks - before->steal_ticks) / (double)(after->ticks - before->ticks);
	s.throttled_known = before->throttled_known && after->throttled_known && after->t_ns > before->t_ns;
	if (s.throttled_known && after->throttled_ns > before->throttled_ns)
		s.throttled = (double)(after->throttled_ns - before->throttled_ns) / (double)(after->t_ns - before->t_ns);
	return s;
}

bool conditions_disturbed(const struct conditions_shares *c, const struct conditions_limits *max)
{
	return c->steal > max->steal || c->throttled > max->throttled;
}
