/* record_image PID FILE: keeps what the walkers read from a stopped Python process, of PyPy also the code that its variables are found in,
 * whose address it prints.  Run by scripts/record-image. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/interp/layout.h"
#include "core/target/elf_file.h"
#include "core/target/find_pypy.h"
#include "core/target/mapped_file.h"
#include "core/target/proc_maps.h"
#include "core/target/target.h"
#include "tests/images/image.h"

static bool record_code_of(int proc_fd, const struct proc_map *map, const struct mem *mem)
{
	struct elf_symbol entry = { .name = PYPY_ENTRY };
	struct static_vars vars;
	struct elf_file *elf;
	bool found = false;
	uint32_t version;
	uint64_t bias;
	int fd = map->executable && map->inode ? open_mapped_file(proc_fd, map) : -1;

	if (fd < 0 || elf_file_open(&elf, fd) != 0)
		return false;
	elf_file_symbols(elf, &entry, 1, &entry, false);
	if (entry.found && elf_file_bias(elf, map->start, map->offset, &bias)) {
		found = find_pypy(elf, mem, bias + entry.value, &vars, &version);
		printf("E %" PRIx64 "\n", bias + entry.value);
	}
	elf_file_free(elf);
	return found;
}

static bool record_code(const char *pid, const struct mem *mem)
{
	struct proc_maps maps = { 0 };
	bool found = false;
	char path[32];
	int proc_fd;

	snprintf(path, sizeof(path), "/proc/%.16s", pid);
	proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0 || proc_maps_read(&maps, proc_fd) != 0)
		return false;
	for (size_t i = 0; i < maps.n && !found; i++)
		found = record_code_of(proc_fd, &maps.items[i], mem);
	proc_maps_done(&maps);
	return found;
}

int main(int argc, char **argv)
{
	struct fail why = {0};
	struct target *target;
	struct image image;
	struct runtime_origin from;
	unsigned major, minor, micro;
	int r;

	if (argc != 3)
		return 2;
	if (target_open(&target, (pid_t)strtol(argv[1], NULL, 10), NULL, &why) != 0) {
		fprintf(stderr, "record_image: %s\n", why.what);
		return 3;
	}
	from = *target_origin(target);
	if (sscanf(target_runtime(target)->version, "CPython %u.%u.%u", &major, &minor, &micro) == 3)
		from.version_hex = major << 24 | minor << 16 | micro << 8 | 0xf0;
	else if (sscanf(target_runtime(target)->version, "PyPy %u.%u.%u", &major, &minor, &micro) == 3)
		from.version_hex = LAYOUT_PYPY_HEX(major, minor, micro);
	else
		return 1;
	image_record(&image, target_mem(target), &from);
	if (from.version_hex >> 24 == LAYOUT_PYPY && !record_code(argv[1], &image.mem))
		return 1;
	r = image_walk(&image.mem, &from, stdout);
	if (r == 0)
		r = image_save(&image, argv[2]);
	image_free(&image);
	target_free(target);
	return r == 0 ? 0 : 1;
}
