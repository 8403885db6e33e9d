/* See unwind_modules.h.  A file is mapped in several pieces; the executable ones count.  What is mapped is opened by its inode, inside the
 * root of the process (core/target/mapped_file.h), and so is the separate debug file that a stripped one may have: by its build id or
 * its .gnu_debuglink, never by the network (libdwfl's own search asks debuginfod, and looks in our root). */
#include "core/symbols/unwind_modules.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/target/elf_file.h"
#include "core/target/mapped_file.h"
#include "core/target/proc_maps.h"
#include "core/util/xalloc.h"

#define MODULES_MAX 1024
#define SYMBOLS_MAX 1000000
#define OVERLAPS_MAX 16
#define LABEL_MAX 200

struct unwind_modules {
	Dwfl *dwfl;
	int proc_fd; /* debug files are looked for when they are wanted */
	uint64_t sum; /* of the executable mappings, to see that they have changed */
	struct unwind_module *items;
	unsigned n;
};

static int no_file(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, char **ret_name, Elf **ret)
{
	(void)mod, (void)data, (void)name, (void)base, (void)ret_name, (void)ret;
	return -1;
}

static bool has_build_id(int fd, const uint8_t *id, size_t n)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *own = NULL;
	bool same = elf && dwelf_elf_gnu_build_id(elf, &own) == (ssize_t)n && !memcmp(own, id, n);

	elf_end(elf);
	return same;
}

static int find_debug_file(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, const char *file, const char *link,
			   GElf_Word crc, char **ret)
{
	const struct unwind_modules *m = *data;
	const unsigned char *id;
	GElf_Addr addr;
	int n = dwfl_module_build_id(mod, &id, &addr), fd;

	(void)name, (void)base, (void)ret;
	fd = m && n > 0 ? open_debug_file(m->proc_fd, id, (size_t)n) : -1;
	if (fd >= 0 && !has_build_id(fd, id, (size_t)n)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0 && m && file && link)
		fd = open_linked_debug_file(m->proc_fd, file, link, crc);
	return fd < 0 ? -1 : fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = no_file, .find_debuginfo = find_debug_file, .section_address = dwfl_offline_section_address,
};

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static uint64_t sum_maps(const struct proc_maps *maps)
{
	uint64_t h = 1;

	for (size_t i = 0; i < maps->n; i++)
		if (maps->items[i].executable)
			h = mix(mix(mix(h, maps->items[i].start), maps->items[i].end), maps->items[i].inode);
	return h;
}

/* Names of the files of a C library; "-" and "." end a name. */
static bool is_libc(const char *base)
{
	static const char *const names[] = { "libc", "libpthread", "librt", "ld", "ld-linux-x86-64", "ld-musl-x86_64", "[vdso]", "libc.musl-x86_64" };
	size_t n = strcspn(base, ".");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(base, names[i], strlen(names[i])) && (strlen(names[i]) == n || base[strlen(names[i])] == '-' || strchr(names[i], '.')))
			return true;
	return false;
}

/* "_umath.cpython-311-x86_64-linux-gnu.so" is the module _umath; "libc.so.6" is all of it. */
static int label_of(const char *base)
{
	static const char *const tags[] = { ".cpython-", ".pypy", ".abi3." }; /* EXTENSION_SUFFIXES of CPython 3.2 and newer, PyPy 7.3 */

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		const char *tag = strstr(base, tags[i]);

		if (tag && tag > base && tag - base < LABEL_MAX)
			return (int)(tag - base);
	}
	return (int)strnlen(base, LABEL_MAX);
}

/* The kernel's own object is the same in every process; ours is at hand. */
static int vdso_file(const struct proc_map *map)
{
	const void *own = (const void *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */
	size_t n = map->end - map->start;
	int fd = own && n <= 65536 ? memfd_create("vdso", MFD_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, own, n) != (ssize_t)n) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -ENOENT : fd;
}

static int open_module(int proc_fd, const struct proc_map *map, uint64_t *ret_bias)
{
	struct elf_file *e;
	int fd, copy, err;

	if (!strcmp(map->path, "[vdso]")) {
		*ret_bias = map->start;
		return vdso_file(map);
	}
	if (!map->inode)
		return -ENOENT;
	fd = open_mapped_file(proc_fd, map);
	if (fd < 0)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	err = copy < 0 ? -errno : elf_file_open(&e, copy);
	if (!err) {
		err = elf_file_bias(e, map->start, map->offset, ret_bias) ? 0 : -ENOEXEC;
		elf_file_free(e);
	}
	if (err)
		close(fd);
	return err ? err : fd;
}

static void add_module(struct unwind_modules *m, int proc_fd, const struct proc_map *map)
{
	struct unwind_module *u = &m->items[m->n];
	char name[32];
	uint64_t bias;
	void **data;
	int fd;

	for (unsigned i = 0; i < m->n; i++)
		if (!strcmp(m->items[i].path, map->path) && map->start > m->items[i].bias && map->start - m->items[i].bias < UINT32_MAX)
			return; /* another piece of it */
	fd = m->n < MODULES_MAX ? open_module(proc_fd, map, &bias) : -EMFILE;
	if (fd < 0)
		return;
	snprintf(name, sizeof(name), "%u", m->n);
	u->dwfl = dwfl_report_elf(m->dwfl, name, map->path, fd, bias, true);
	if (!u->dwfl) {
		close(fd);
		return;
	}
	u->path = xstrdup(map->path);
	u->base = strrchr(u->path, '/') ? strrchr(u->path, '/') + 1 : u->path;
	u->label = label_of(u->base);
	u->bias = bias;
	u->check = (uint32_t)mix(mix(bias, map->inode), (uint64_t)map->dev_major << 32 | map->dev_minor);
	u->kind = is_libc(u->base) ? NATIVE_LIBC : NATIVE_OTHER;
	dwfl_module_info(u->dwfl, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	*data = m;
	m->n++;
}

static struct unwind_modules *make(int proc_fd, const struct proc_maps *maps)
{
	struct unwind_modules *m = xcalloc(1, sizeof(*m));

	m->items = xcalloc(MODULES_MAX, sizeof(*m->items));
	m->proc_fd = fcntl(proc_fd, F_DUPFD_CLOEXEC, 0);
	m->sum = sum_maps(maps);
	m->dwfl = dwfl_begin(&callbacks);
	if (!m->dwfl) {
		unwind_modules_free(m);
		return NULL;
	}
	dwfl_report_begin(m->dwfl);
	for (size_t i = 0; i < maps->n; i++)
		if (maps->items[i].executable)
			add_module(m, proc_fd, &maps->items[i]);
	dwfl_report_end(m->dwfl, NULL, NULL);
	return m;
}

int unwind_modules_look(struct unwind_modules **m, pid_t pid, bool *ret_changed)
{
	struct unwind_modules *made;
	struct proc_maps maps = { 0 };
	char path[32];
	int proc_fd, err;

	*ret_changed = false;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return -errno;
	err = proc_maps_read(&maps, proc_fd);
	if (!err && !maps.n)
		err = -ESRCH;
	if (!err && (!*m || (*m)->sum != sum_maps(&maps))) {
		made = make(proc_fd, &maps);
		err = made && made->n ? 0 : -ENOEXEC;
		*ret_changed = !err;
		unwind_modules_free(err ? made : *m);
		*m = err ? *m : made;
	}
	proc_maps_done(&maps);
	close(proc_fd);
	return err;
}

void unwind_modules_free(struct unwind_modules *m)
{
	if (!m)
		return;
	if (m->dwfl)
		dwfl_end(m->dwfl);
	for (unsigned i = 0; i < m->n; i++) {
		free(m->items[i].path);
		free(m->items[i].symbols);
	}
	free(m->items);
	if (m->proc_fd >= 0)
		close(m->proc_fd);
	free(m);
}

Dwfl *unwind_modules_dwfl(struct unwind_modules *m)
{
	return m->dwfl;
}

static int eval_part(const char *name)
{
	static const char *const names[] = { "_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx" }; /* 3.6 and newer; 2.7 */

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (!strncmp(name, names[i], n) && (!name[n] || !strncmp(name + n, ".cold", 5)))
			return name[n] ? 1 : 0;
	}
	return -1;
}

static int by_start(const void *a, const void *b)
{
	const struct unwind_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	/* of several names the plainest */
	return (int)strspn(y->name, "_") - (int)strspn(x->name, "_");
}

static bool is_function(const GElf_Sym *sym)
{
	unsigned type = GELF_ST_TYPE(sym->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && sym->st_shndx != SHN_UNDEF;
}

/* Is it the interpreter?  Both names are in 3.6 and newer, where the second only calls the first. */
static void note_eval(struct unwind_module *u, const struct unwind_symbol *s)
{
	int part = eval_part(s->name);

	if (part < 0 || (*s->name != '_' && u->modern))
		return;
	u->modern |= *s->name == '_';
	u->kind = NATIVE_INTERPRETER;
	u->eval[part].start = s->start;
	u->eval[part].end = s->end;
}

/* The bytes stay mapped as long as the module. */
static void load_eh_frame(struct unwind_module *u)
{
	GElf_Phdr table = { 0 }, segment, ph;
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(u->dwfl, &bias);
	Elf_Data *data;
	size_t n;

	if (!elf || elf_getphdrnum(elf, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_GNU_EH_FRAME)
			table = ph;
	for (size_t i = 0; i < n && table.p_type; i++) {
		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD || table.p_vaddr - segment.p_vaddr >= segment.p_filesz)
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)segment.p_offset, segment.p_filesz, ELF_T_BYTE);
		if (data)
			u->eh_frame = (struct eh_frame){ data->d_buf, data->d_size, segment.p_vaddr, table.p_vaddr };
		return;
	}
}

static void load_symbols(struct unwind_module *u)
{
	int n = dwfl_module_getsymtab(u->dwfl);

	u->loaded = true;
	load_eh_frame(u);
	if (n <= 0)
		return;
	n = n < SYMBOLS_MAX ? n : SYMBOLS_MAX;
	u->symbols = xcalloc((size_t)n, sizeof(*u->symbols));
	for (int i = 0; i < n; i++) {
		struct unwind_symbol *s = &u->symbols[u->n_symbols];
		GElf_Sym sym;

		s->name = dwfl_module_getsym_info(u->dwfl, i, &sym, &s->start, NULL, NULL, NULL);
		if (!s->name || !*s->name || !is_function(&sym))
			continue;
		s->end = s->start + sym.st_size;
		note_eval(u, s);
		u->n_symbols++;
	}
	qsort(u->symbols, u->n_symbols, sizeof(*u->symbols), by_start);
}

/* Functions overlap where one has several names, or an entry in its middle. */
const char *unwind_module_symbol(const struct unwind_module *m, uint64_t pc)
{
	size_t a = 0, b = m->n_symbols;

	while (a < b) {
		size_t middle = a + (b - a) / 2;

		if (m->symbols[middle].start <= pc)
			a = middle + 1;
		else
			b = middle;
	}
	for (size_t back = 0; a && back < OVERLAPS_MAX; back++)
		if (pc < m->symbols[--a].end)
			return m->symbols[a].name;
	return NULL;
}

uint64_t unwind_module_place(const struct unwind_module *m, uint64_t pc)
{
	uint64_t start;

	return eh_frame_function(&m->eh_frame, pc - m->bias, &start) ? start : pc - m->bias;
}

const struct unwind_module *unwind_module_of(struct unwind_modules *m, Dwfl_Module *dwfl)
{
	unsigned long i;
	const char *name = dwfl_module_info(dwfl, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

	i = name ? strtoul(name, NULL, 10) : m->n;
	if (i >= m->n)
		return NULL;
	if (!m->items[i].loaded)
		load_symbols(&m->items[i]);
	return &m->items[i];
}

enum native_kind unwind_module_kind(const struct unwind_module *m, uint64_t pc)
{
	for (int i = 0; i < 2; i++)
		if (pc >= m->eval[i].start && pc < m->eval[i].end)
			return NATIVE_EVAL;
	return m->kind;
}
