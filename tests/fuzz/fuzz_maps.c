/* /proc/PID/maps, stat, status and syscall of any content. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/target/proc_maps.h"
#include "core/target/proc_task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *copy = malloc(size + 1);
	struct proc_syscall syscall_line;
	struct proc_status status;
	struct proc_stat stat;
	struct proc_maps maps;

	if (!text || !copy)
		abort();
	memcpy(text, data, size);
	memcpy(copy, data, size);
	text[size] = copy[size] = '\0';
	proc_maps_parse(&maps, text, size);
	for (size_t i = 0; i < maps.n; i++) {
		const struct proc_map *m = &maps.items[i];

		if (m->start >= m->end || proc_maps_find(&maps, m->start) == NULL ||
		    strlen(proc_map_basename(m)) > strlen(m->path))
			abort();
	}
	proc_maps_done(&maps);
	proc_stat_parse(copy, size, &stat);
	proc_status_parse(copy, &status);
	proc_syscall_parse(copy, &syscall_line);
	free(copy);
	return 0;
}
