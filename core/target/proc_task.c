/* See proc_task.h. */
#include "core/target/proc_task.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/util/xalloc.h"

#define PF_KTHREAD 0x00200000
#define FIRST_BYTES 4096

int proc_read(int dir_fd, const char *name, size_t max, char **ret, size_t *ret_n)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	size_t size = max < FIRST_BYTES ? max : FIRST_BYTES, n = 0;
	char *text;
	int err = 0;

	if (fd < 0)
		return -errno;
	text = xmalloc(size + 1);
	for (;;) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			err = got < 0 ? -errno : 0;
			break;
		}
		n += (size_t)got;
		if (n == max)
			break;
		if (n == size) {
			size = size * 2 < max ? size * 2 : max;
			text = xrealloc_array(text, size + 1, 1);
		}
	}
	close(fd);
	if (err < 0) {
		free(text);
		return err;
	}
	text[n] = '\0';
	*ret = text;
	*ret_n = n;
	return 0;
}

/* The field-th blank-separated word after p, 1 being the next; NULL if there are fewer. */
static const char *word_after(const char *p, unsigned field)
{
	for (; *p && field; field--) {
		p = strchr(p, ' ');
		if (!p)
			return NULL;
		p += strspn(p, " ");
	}
	return *p ? p : NULL;
}

int proc_stat_parse(const char *text, size_t n, struct proc_stat *ret)
{
	const char *open = memchr(text, '(', n), *close = memrchr(text, ')', n);
	static const int spent[] = { 8, 10, 12, 13 }; /* fields 10, 12, 14, 15: minor and major faults, user and kernel time */
	const char *flags, *start;
	size_t len;
	long ticks = sysconf(_SC_CLK_TCK);

	if (!open || !close || close < open || ticks <= 0)
		return -EPROTO;
	len = (size_t)(close - open - 1);
	if (len >= sizeof(ret->comm))
		len = sizeof(ret->comm) - 1;
	memcpy(ret->comm, open + 1, len);
	ret->comm[len] = '\0';
	if (close[1] != ' ' || close[2] == '\0')
		return -EPROTO;
	ret->state = close[2];
	flags = word_after(close, 7); /* field 9; state is field 3 */
	start = word_after(close, 20); /* field 22 */
	if (!flags || !start)
		return -EPROTO;
	ret->kernel_thread = (strtoull(flags, NULL, 10) & PF_KTHREAD) != 0;
	ret->start_ns = strtoull(start, NULL, 10) * (NS_PER_S / (uint64_t)ticks);
	ret->progress = 0;
	for (size_t i = 0; i < sizeof(spent) / sizeof(*spent); i++)
		ret->progress += strtoull(word_after(close, spent[i]), NULL, 10);
	return 0;
}

int proc_stat_read(int dir_fd, const char *name, struct proc_stat *ret)
{
	char *text;
	size_t n;
	int r = proc_read(dir_fd, name, 4096, &text, &n);

	if (r < 0)
		return r;
	r = proc_stat_parse(text, n, ret);
	free(text);
	return r;
}

/* Only line starts are looked at: a name line may hold anything but a newline. */
static const char *status_field(const char *text, const char *field)
{
	size_t len = strlen(field);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, field, len) == 0)
			return line + len;
	return NULL;
}

int proc_status_parse(const char *text, struct proc_status *ret)
{
	const char *tgid = status_field(text, "Tgid:"), *nspid = status_field(text, "NSpid:");
	const char *uid = status_field(text, "Uid:");
	unsigned levels = 0;

	if (!tgid || !uid)
		return -EPROTO;
	*ret = (struct proc_status){ .tgid = (pid_t)strtol(tgid, NULL, 10), .uid = (uid_t)strtoul(uid, NULL, 10) };
	ret->vm = status_field(text, "VmSize:") != NULL;
	for (const char *p = nspid; p && *p && *p != '\n'; levels++) {
		char *end;
		long id = strtol(p, &end, 10);

		if (end == p)
			break;
		ret->ns_tid = (pid_t)id;
		p = end;
	}
	ret->other_namespace = levels > 1;
	return 0;
}

int proc_status_read(int dir_fd, const char *name, struct proc_status *ret)
{
	char *text;
	size_t n;
	int r = proc_read(dir_fd, name, 65536, &text, &n);

	if (r < 0)
		return r;
	r = proc_status_parse(text, ret);
	free(text);
	return r;
}

/* "running", "-1 sp pc" or "nr arg0 … arg5 sp pc". */
int proc_syscall_parse(const char *text, struct proc_syscall *ret)
{
	char *end;
	const char *p;

	*ret = (struct proc_syscall){ .nr = -1 };
	if (strncmp(text, "running", 7) == 0) {
		ret->running = true;
		return 0;
	}
	ret->nr = (int32_t)strtol(text, &end, 10);
	if (end == text)
		return -EPROTO;
	p = end;
	for (unsigned i = 0; i < 6 && ret->nr >= 0; i++) {
		ret->arg[i] = strtoull(p, &end, 16);
		if (end == p)
			return -EPROTO;
		p = end;
	}
	ret->sp = strtoull(p, &end, 16);
	ret->pc = strtoull(end, &end, 16);
	return 0;
}

/* "ran queued arrivals" */
int proc_schedstat_parse(const char *text, struct proc_schedstat *ret)
{
	uint64_t value[3];
	char *end;

	for (unsigned i = 0; i < 3; i++, text = end) {
		value[i] = strtoull(text, &end, 10);
		if (end == text)
			return -EPROTO;
	}
	*ret = (struct proc_schedstat){ .queued_ns = value[1], .arrivals = value[2] };
	return 0;
}

int proc_syscall_read(int dir_fd, const char *name, struct proc_syscall *ret)
{
	char *text;
	size_t n;
	int r = proc_read(dir_fd, name, 512, &text, &n);

	if (r < 0)
		return r;
	r = proc_syscall_parse(text, ret);
	free(text);
	return r;
}
