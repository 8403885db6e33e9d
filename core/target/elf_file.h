#pragma once
/* What attaching needs of an ELF file: symbols, a section's place, the load bias of a mapping.  Read with pread through
 * libelf (never mapped: the file may shrink under us), 64-bit files of this machine only.
 * Owns: takes over fd.  Context: hosted.  Errors: -ENOEXEC not such a file, -EFBIG larger than anything real, -errno. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct elf_symbol {
	const char *name;
	bool found;
	uint64_t value, size; /* value without load bias */
};

int elf_file_open(struct elf_file **ret, int fd);
void elf_file_free(struct elf_file *e);
/* .dynsym first; .symtab only while `need` is not found and deep is set. */
void elf_file_symbols(struct elf_file *e, struct elf_symbol *symbols, size_t n, const struct elf_symbol *need, bool deep);
/* What follows the first `prefix` in the contents of a section, as text of at most size - 1 bytes; false: it is not there. */
bool elf_file_text_after(struct elf_file *e, const char *section, const char *prefix, char *ret, size_t size);
bool elf_file_section(struct elf_file *e, const char *name, uint64_t *ret_addr, uint64_t *ret_size);
/* For libdw; borrowed. */
struct Elf *elf_file_elf(struct elf_file *e);
/* Difference between run-time and file addresses, given a mapping of the file. */
bool elf_file_bias(struct elf_file *e, uint64_t map_start, uint64_t map_offset, uint64_t *ret);
