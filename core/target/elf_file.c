/* See elf_file.h. */
#include "core/target/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/xalloc.h"

#define FILE_MAX (4ull << 30)
#define SYMTAB_MAX (256ull << 20) /* of a section that is read whole */
#define SYMBOL_NAME_MAX 256

struct elf_file {
	Elf *elf;
	int fd;
};

int elf_file_open(struct elf_file **ret, int fd)
{
	struct elf_file *e;
	struct stat st;
	GElf_Ehdr head;
	int err = 0;

	if (fstat(fd, &st) != 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -ENOEXEC;
	else if ((uint64_t)st.st_size > FILE_MAX)
		err = -EFBIG;
	if (err || elf_version(EV_CURRENT) == EV_NONE) {
		close(fd);
		return err ? err : -ENOSYS;
	}
	e = xcalloc(1, sizeof(*e));
	e->fd = fd;
	e->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!e->elf || elf_kind(e->elf) != ELF_K_ELF || !gelf_getehdr(e->elf, &head) ||
	    gelf_getclass(e->elf) != ELFCLASS64) {
		elf_file_free(e);
		return -ENOEXEC;
	}
	*ret = e;
	return 0;
}

void elf_file_free(struct elf_file *e)
{
	if (!e)
		return;
	if (e->elf)
		elf_end(e->elf);
	close(e->fd);
	free(e);
}

struct Elf *elf_file_elf(struct elf_file *e)
{
	return e->elf;
}

static void match_symbol(const GElf_Sym *sym, const char *name, struct elf_symbol *symbols, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!symbols[i].found && strncmp(symbols[i].name, name, SYMBOL_NAME_MAX) == 0)
			symbols[i] = (struct elf_symbol){ symbols[i].name, true, sym->st_value, sym->st_size };
}

static void scan_table(struct elf_file *e, Elf_Scn *scn, const GElf_Shdr *head, struct elf_symbol *symbols, size_t n)
{
	Elf_Data *data;
	size_t count;

	if (head->sh_entsize == 0 || head->sh_size > SYMTAB_MAX)
		return;
	data = elf_getdata(scn, NULL);
	count = data ? head->sh_size / head->sh_entsize : 0;
	for (size_t i = 0; i < count && i < INT32_MAX; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(e->elf, head->sh_link, sym.st_name);
		if (name)
			match_symbol(&sym, name, symbols, n);
	}
}

static void scan_kind(struct elf_file *e, uint32_t type, struct elf_symbol *symbols, size_t n)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(e->elf, scn)) != NULL) {
		GElf_Shdr head;

		if (gelf_getshdr(scn, &head) && head.sh_type == type)
			scan_table(e, scn, &head, symbols, n);
	}
}

void elf_file_symbols(struct elf_file *e, struct elf_symbol *symbols, size_t n, const struct elf_symbol *need, bool deep)
{
	scan_kind(e, SHT_DYNSYM, symbols, n);
	if (deep && !need->found)
		scan_kind(e, SHT_SYMTAB, symbols, n);
}

static Elf_Scn *find_section(struct elf_file *e, const char *name, GElf_Shdr *ret_head)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(e->elf, &names) != 0)
		return NULL;
	while ((scn = elf_nextscn(e->elf, scn)) != NULL) {
		const char *this_name;

		if (!gelf_getshdr(scn, ret_head))
			continue;
		this_name = elf_strptr(e->elf, names, ret_head->sh_name);
		if (this_name && strcmp(this_name, name) == 0)
			return scn;
	}
	return NULL;
}

bool elf_file_section(struct elf_file *e, const char *name, uint64_t *ret_addr, uint64_t *ret_size)
{
	GElf_Shdr head;

	if (!find_section(e, name, &head))
		return false;
	*ret_addr = head.sh_addr;
	*ret_size = head.sh_size;
	return true;
}

bool elf_file_text_after(struct elf_file *e, const char *section, const char *prefix, char *ret, size_t size)
{
	GElf_Shdr head;
	Elf_Scn *scn = find_section(e, section, &head);
	Elf_Data *data = scn && head.sh_type == SHT_PROGBITS && head.sh_size <= SYMTAB_MAX ? elf_rawdata(scn, NULL) : NULL;
	const char *end = data && data->d_buf ? (const char *)data->d_buf + data->d_size : NULL;
	const char *at = end ? memmem(data->d_buf, data->d_size, prefix, strlen(prefix)) : NULL;
	size_t n;

	if (!at)
		return false;
	at += strlen(prefix);
	n = (size_t)(end - at) < size - 1 ? (size_t)(end - at) : size - 1;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return true;
}

/* Segments may share a page: one that begins in the mapping's first page is better than one that merely contains it. */
bool elf_file_bias(struct elf_file *e, uint64_t map_start, uint64_t map_offset, uint64_t *ret)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool found = false;
	size_t n;

	if (elf_getphdrnum(e->elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n && i < 65536; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(e->elf, (int)i, &p) || p.p_type != PT_LOAD)
			continue;
		if (map_offset < (p.p_offset & ~(page - 1)) || map_offset >= p.p_offset + p.p_filesz)
			continue;
		if (found && map_offset != (p.p_offset & ~(page - 1)))
			continue;
		*ret = map_start - map_offset + p.p_offset - p.p_vaddr;
		found = true;
	}
	return found;
}
