/* See sites.h. */
#include "tests/truth/sites.h"

#include <fcntl.h>
#include <gelf.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 2.7 takes its GIL as any other lock; a workload that is measured has no other for which it sleeps. */
static const char *const names_since_3_2[TRUTH_KINDS] = { "take_gil", "drop_gil" };
static const char *const names_of_2_7[TRUTH_KINDS] = { "PyThread_acquire_lock", "PyThread_release_lock" };

/* "take_gil", "take_gil.constprop.0", … but not "take_gil_foo". */
static int site_kind(const char *const wanted[TRUTH_KINDS], const char *name)
{
	for (int kind = 0; kind < TRUTH_KINDS; kind++) {
		size_t len = strlen(wanted[kind]);

		if (!strncmp(name, wanted[kind], len) && (!name[len] || name[len] == '.') && !strstr(name, ".cold"))
			return kind;
	}
	return -1;
}

static size_t file_offset(Elf *elf, GElf_Addr addr)
{
	size_t n = 0;
	GElf_Phdr ph;

	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && addr >= ph.p_vaddr && addr < ph.p_vaddr + ph.p_filesz)
			return addr - ph.p_vaddr + ph.p_offset;
	return 0;
}

/* objdump's text for a range of the file; NULL: could not. */
static FILE *disassemble(const char *path, GElf_Addr start, GElf_Addr end, pid_t *ret_child)
{
	char from[64], to[64];
	char *argv[] = { "objdump", "-d", "--no-show-raw-insn", from, to, (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], err;

	snprintf(from, sizeof(from), "--start-address=0x%llx", (unsigned long long)start);
	snprintf(to, sizeof(to), "--stop-address=0x%llx", (unsigned long long)end);
	if (pipe2(fds, O_CLOEXEC))
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	err = posix_spawnp(ret_child, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!err)
		return fdopen(fds[0], "r");
	close(fds[0]);
	return NULL;
}

/* The call of pthread_cond_signal in take_gil, and in drop_gil: there is one in each. */
static size_t held_offset(const char *path, Elf *elf, const GElf_Sym *sym)
{
	pid_t child = 0;
	FILE *text = disassemble(path, sym->st_value, sym->st_value + sym->st_size, &child);
	GElf_Addr at = 0;
	unsigned n = 0;
	char line[512];

	while (text && fgets(line, sizeof(line), text)) {
		const char *call = strstr(line, "call");

		if (call && strstr(call, "pthread_cond_signal")) {
			at = strtoull(line, NULL, 16);
			n++;
		}
	}
	if (!text)
		return 0;
	fclose(text);
	waitpid(child, NULL, 0);
	return n == 1 ? file_offset(elf, at) : 0;
}

static unsigned sites_of_section(const char *path, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, const char *const wanted[TRUTH_KINDS],
				 struct site *ret)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	unsigned n = 0;
	GElf_Sym sym;

	if (!data || !sh->sh_entsize)
		return 0;
	for (size_t i = 0; i < sh->sh_size / sh->sh_entsize && n < TRUTH_SITES; i++) {
		const char *name;
		int kind;

		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		kind = name ? site_kind(wanted, name) : -1;
		if (kind < 0)
			continue;
		ret[n].kind = (enum truth_kind)kind;
		ret[n].offset = file_offset(elf, sym.st_value);
		ret[n].at_return = wanted == names_of_2_7;
		ret[n].held = ret[n].at_return ? 0 : held_offset(path, elf, &sym);
		n++;
	}
	return n;
}

static GElf_Addr symbol_value(Elf *elf, const char *name)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	GElf_Sym sym;

	while ((scn = elf_nextscn(elf, scn))) {
		Elf_Data *data = gelf_getshdr(scn, &sh) && sh.sh_type == SHT_DYNSYM ? elf_getdata(scn, NULL) : NULL;

		for (size_t i = 0; data && sh.sh_entsize && i < sh.sh_size / sh.sh_entsize; i++) {
			const char *this_name = gelf_getsym(data, (int)i, &sym) ? elf_strptr(elf, sh.sh_link, sym.st_name) : NULL;

			if (this_name && !strcmp(this_name, name))
				return sym.st_value;
		}
	}
	return 0;
}

static unsigned find_sites(const char *path, const char *const wanted[TRUTH_KINDS], struct site *ret)
{
	unsigned n = 0;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int fd = elf_version(EV_CURRENT) == EV_NONE ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);

	while (elf && !n && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_SYMTAB)
			n = sites_of_section(path, elf, scn, &sh, wanted, ret);
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return n;
}

struct instruction {
	GElf_Addr at, target, next; /* where it is, the address it names, the instruction after it */
};

/* The first instruction of a range whose text holds a word. */
static bool find_instruction(const char *path, GElf_Addr start, GElf_Addr end, const char *word, struct instruction *ret)
{
	pid_t child = 0;
	FILE *text = disassemble(path, start, end, &child);
	struct instruction found = { 0, 0, 0 };
	char line[512];

	while (text && fgets(line, sizeof(line), text)) {
		const char *code = strchr(line, ':'), *name;
		GElf_Addr at = strtoull(line, NULL, 16);

		if (line[0] != ' ' || !code || at < start)
			continue;
		if (found.at && !found.next)
			found.next = at;
		name = found.at ? NULL : strstr(code, word);
		if (!name)
			continue;
		found.at = at;
		name = strpbrk(name + strlen(word), " \t");
		found.target = name ? strtoull(name, NULL, 16) : 0;
	}
	if (!text)
		return false;
	fclose(text);
	waitpid(child, NULL, 0);
	*ret = found;
	return found.at && found.next;
}

/* PyPy is stripped, but an exported function tries to take the GIL and, when it is taken, calls RPyGilAcquireSlowPath (thread_gil.c).
 * What that does as soon as it has the GIL is to count itself out of the waiters, by the only locked subtraction in it. */
static unsigned find_pypy_sites(const char *path, struct site *ret)
{
	int fd = elf_version(EV_CURRENT) == EV_NONE ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	GElf_Addr entry = elf ? symbol_value(elf, "pypy_thread_attach") : 0;
	struct instruction take, jump, call, counted;
	unsigned n = 0;

	if (entry && find_instruction(path, entry, entry + 256, "lock cmpxchg", &take) &&
	    find_instruction(path, take.next, take.next + 16, "jne", &jump) &&
	    find_instruction(path, jump.target, jump.target + 16, "call", &call) &&
	    find_instruction(path, call.target, call.target + 1024, "lock sub", &counted)) {
		ret[0] = (struct site){ .kind = TRUTH_TAKE, .offset = file_offset(elf, call.target), .held = file_offset(elf, counted.next) };
		n = 1;
	}
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return n;
}

size_t sites_offset_here(const void *function)
{
	unsigned long long start, end, offset, at = (uintptr_t)function;
	char line[PATH_MAX + 128];
	size_t found = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %*s %llx", &start, &end, &offset) == 3 && at >= start && at < end)
			found = at - start + offset;
	if (maps)
		fclose(maps);
	return found;
}

unsigned sites_find(pid_t pid, char ret_elf[PATH_MAX], struct site ret[TRUTH_SITES])
{
	char line[PATH_MAX + 128], path[64], perms[8], file[PATH_MAX], last[PATH_MAX] = "";
	unsigned long long start, end, offset;
	unsigned n = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && !n && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %4095s", &start, &end, perms, &offset, file) != 5 || !strchr(perms, 'x') || file[0] != '/')
			continue;
		if (!strcmp(file, last))
			continue;
		memcpy(last, file, sizeof(last));
		snprintf(ret_elf, PATH_MAX, "/proc/%d/root%.4000s", pid, file);
		n = find_sites(ret_elf, names_since_3_2, ret);
		if (!n && strstr(file, "python2.7"))
			n = find_sites(ret_elf, names_of_2_7, ret);
		if (!n && strstr(file, "pypy"))
			n = find_pypy_sites(ret_elf, ret);
		for (unsigned i = 0; i < n; i++)
			if (ret[i].kind == TRUTH_TAKE && ret[i].held >= offset && ret[i].held - offset < end - start)
				ret[i].held_ip = start + ret[i].held - offset;
	}
	if (maps)
		fclose(maps);
	return n;
}
