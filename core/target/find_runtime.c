/* See find_runtime.h. */
#include "core/target/find_runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/interp/layout.h"
#include "core/target/dwarf_layout.h"
#include "core/target/elf_file.h"
#include "core/target/find_pypy.h"
#include "core/target/find_statics.h"
#include "core/target/machine_code.h"
#include "core/target/mapped_file.h"
#include "core/util/escape.h"

#define MODULES_MAX 1024

/* "libpython3.9.so.1.0", "python3.9": 0x03090000; 0 if the name holds no version. */
static uint32_t version_of_name(const char *name)
{
	const char *p = strstr(name, "python");
	char *end;
	unsigned long major, minor;

	if (!p || p[6] < '1' || p[6] > '9')
		return 0;
	major = strtoul(p + 6, &end, 10);
	if (*end != '.' || end[1] < '0' || end[1] > '9')
		return 0;
	minor = strtoul(end + 1, NULL, 10);
	return major < 10 && minor < 256 ? (uint32_t)(major << 24 | minor << 16) : 0;
}

enum { SYM_RUNTIME, SYM_VERSION, SYM_SAVE_THREAD, SYM_PYPY, SYM_THIS_STATE, SYM_STRING, SYM_N };

/* The first reference of a kind in a function's code as it lies in memory; false if it has none. */
static bool first_ref(const struct mem *mem, uint64_t bias, const struct elf_symbol *function, unsigned kinds, struct code_ref *ret)
{
	uint8_t code[MACHINE_CODE_BYTES];
	uint64_t n = function->size < sizeof(code) ? function->size : sizeof(code);

	if (!function->found || n == 0 || mem_read(mem, bias + function->value, code, n) != 0)
		return false;
	return machine_code_refs(code, n, bias + function->value, kinds, ret, 1) == 1;
}

/* 3.15 keeps it in a thread variable instead of a pthread key (Python/pystate.c, _Py_tss_gilstate). */
static int64_t find_state_slot(const struct mem *mem, uint64_t bias, const struct elf_symbol *symbols)
{
	struct code_ref ref;

	return first_ref(mem, bias, &symbols[SYM_THIS_STATE], CODE_REF_THREAD, &ref) ? (int64_t)ref.value : 0;
}

static uint32_t place_version(const struct mem *mem, uint64_t bias, const struct elf_symbol *symbols, const char *name)
{
	const struct layout *row = layout_find_by_runtime_size(symbols[SYM_RUNTIME].size);
	uint32_t hex;

	if (symbols[SYM_VERSION].found && mem_u32(mem, bias + symbols[SYM_VERSION].value, &hex) == 0)
		return hex;
	return row ? row->version << 16 : version_of_name(name);
}

/* From 3.13 on it describes itself. */
static void read_debug_information(struct elf_file *elf, struct runtime_place *place)
{
	const struct layout *row = layout_find(place->version_hex);

	if (!row || row->self_describing)
		return;
	place->layout = *row;
	place->has_layout = dwarf_layout_read(elf, &place->layout, &place->n_differ) > 0;
}

static void note_other(struct runtime_search *s, enum python_kind kind, const struct proc_map *map)
{
	s->other = kind;
	escape_to(s->other_module, sizeof(s->other_module), map->path, strlen(map->path));
}

static void search_pypy(struct runtime_search *s, struct elf_file *elf, const struct proc_map *map, const struct mem *mem,
			const struct elf_symbol *entry)
{
	struct runtime_place *place = &s->places[s->n];
	uint64_t bias;

	if (!elf_file_bias(elf, map->start, map->offset, &bias) ||
	    !find_pypy(elf, mem, bias + entry->value, &place->statics, &place->version_hex)) {
		note_other(s, PYTHON_PYPY, map);
		return;
	}
	place->found_by = "variables read from the code of " PYPY_ENTRY;
	escape_to(place->module, sizeof(place->module), map->path, strlen(map->path));
	s->n++;
}

static void search_module(struct runtime_search *s, struct elf_file *elf, const struct proc_map *map,
			  const struct mem *mem, bool likely)
{
	struct elf_symbol symbols[SYM_N] = { [SYM_RUNTIME] = { .name = "_PyRuntime" },
					     [SYM_VERSION] = { .name = "Py_Version" },
					     [SYM_SAVE_THREAD] = { .name = "PyEval_SaveThread" },
					     [SYM_PYPY] = { .name = PYPY_ENTRY },
					     [SYM_STRING] = { .name = "PyString_FromString" },
					     [SYM_THIS_STATE] = { .name = "PyGILState_GetThisThreadState" } };
	struct runtime_place *place = &s->places[s->n];
	uint64_t bias, value, size;

	elf_file_symbols(elf, symbols, SYM_N, &symbols[SYM_RUNTIME], likely);
	if (symbols[SYM_PYPY].found) {
		search_pypy(s, elf, map, mem, &symbols[SYM_PYPY]);
		return;
	}
	place->found_by = "symbol _PyRuntime";
	if (!symbols[SYM_RUNTIME].found && elf_file_section(elf, ".PyRuntime", &value, &size)) {
		symbols[SYM_RUNTIME].value = value;
		symbols[SYM_RUNTIME].size = size;
		symbols[SYM_RUNTIME].found = true;
		place->found_by = "section .PyRuntime";
	}
	if ((!symbols[SYM_RUNTIME].found && !symbols[SYM_SAVE_THREAD].found) || !elf_file_bias(elf, map->start, map->offset, &bias))
		return;
	if (symbols[SYM_RUNTIME].found) {
		place->addr = bias + symbols[SYM_RUNTIME].value;
		place->state_slot = find_state_slot(mem, bias, symbols);
		place->version_hex = place_version(mem, bias, symbols, proc_map_basename(map));
	} else if (find_static_vars(elf, mem, bias, &place->statics, &place->found_by)) {
		place->version_hex = version_of_name(proc_map_basename(map));
		if (!place->version_hex) /* embedded; sys.hexversion is the proof */
			place->version_hex = symbols[SYM_STRING].found ? 0x02070000 : 0x03060000;
	} else {
		if (s->other == PYTHON_NONE)
			note_other(s, PYTHON_TOO_OLD, map);
		return;
	}
	read_debug_information(elf, place);
	escape_to(place->module, sizeof(place->module), map->path, strlen(map->path));
	s->n++;
}

/* First mapping of its file? */
static bool first_of_file(const struct proc_maps *maps, size_t i)
{
	const struct proc_map *m = &maps->items[i];

	for (size_t k = i; k-- > 0;) {
		const struct proc_map *other = &maps->items[k];

		if (other->executable && other->inode == m->inode && other->dev_major == m->dev_major &&
		    other->dev_minor == m->dev_minor)
			return false;
		if (i - k > MODULES_MAX)
			break;
	}
	return true;
}

static void search_pass(struct runtime_search *s, int proc_fd, const struct proc_maps *maps, const struct mem *mem,
			bool likely)
{
	unsigned modules = 0;

	for (size_t i = 0; i < maps->n && s->n < RUNTIME_PLACES_MAX && modules < MODULES_MAX; i++) {
		const struct proc_map *m = &maps->items[i];
		const char *name = proc_map_basename(m);
		struct elf_file *elf;
		int r;

		if (!m->executable || m->inode == 0 || likely != (strstr(name, "python") || strstr(name, "pypy")))
			continue;
		if (!first_of_file(maps, i))
			continue;
		modules++;
		r = open_mapped_file(proc_fd, m);
		if (r >= 0)
			r = elf_file_open(&elf, r);
		if (r < 0) {
			s->unreadable++;
			s->unreadable_err = r;
			continue;
		}
		search_module(s, elf, m, mem, likely);
		elf_file_free(elf);
	}
}

void find_runtime(struct runtime_search *ret, int proc_fd, const struct proc_maps *maps, const struct mem *mem)
{
	*ret = (struct runtime_search){0};
	search_pass(ret, proc_fd, maps, mem, true);
	if (ret->n == 0) /* embedded under another name */
		search_pass(ret, proc_fd, maps, mem, false);
}

uint64_t find_section(int proc_fd, const struct proc_maps *maps, const char *module, const char *section)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct proc_map *m = &maps->items[i];
		uint64_t addr, size, bias;
		struct elf_file *elf;
		bool found;
		int fd;

		if (!m->executable || m->inode == 0 || strncmp(proc_map_basename(m), module, strlen(module)) != 0 || !first_of_file(maps, i))
			continue;
		fd = open_mapped_file(proc_fd, m);
		if (fd < 0 || elf_file_open(&elf, fd) < 0)
			continue;
		found = elf_file_section(elf, section, &addr, &size) && elf_file_bias(elf, m->start, m->offset, &bias);
		elf_file_free(elf);
		if (found)
			return bias + addr;
	}
	return 0;
}
