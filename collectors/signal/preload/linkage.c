/* Put into a process that runs already, the library is found by nobody: every object of it has its calls bound, or will bind them to libc.
 * So the words through which the objects call what we stand before (their global offset tables) are changed, one aligned word at a time:
 * a thread that calls meanwhile reaches the one or the other, and both do the same.  Only a word that holds what we call ourselves, or
 * that is not bound yet, is changed; one that leads to somebody else is theirs.  The pages that the dynamic linker has made read-only
 * (PT_GNU_RELRO) are made so again.  Called while dlopen runs, so no object comes or goes.
 *
 * The words stay as they are when the recording ends: the object that holds one may be gone by then, and who looks it up (dl_iterate_phdr)
 * may wait for a lock of the dynamic linker's.  A call through us costs a comparison more from then on. */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "collectors/signal/preload/preload.h"
#include "collectors/signal/preload/sys.h"

#if defined(__x86_64__)
#define RELOC_SLOT R_X86_64_JUMP_SLOT
#define RELOC_DATA R_X86_64_GLOB_DAT
#else
#define RELOC_SLOT R_AARCH64_JUMP_SLOT
#define RELOC_DATA R_AARCH64_GLOB_DAT
#endif
#define FORMER_MAX 16
#define COND "pthread_cond_"
#define OLD_COND "GLIBC_2.2.5" /* its version that has another structure: library.c */

struct link_name {
	const char *name;
	uintptr_t ours, theirs; /* what we call */
};

struct object { /* of the process, as it lies in memory */
	uintptr_t base, start, end; /* end: of what is mapped of it */
	uintptr_t relro, relro_end; /* pages that are read-only by now */
	const ElfW(Sym) *symbols;
	const char *strings;
	const ElfW(Half) *versions; /* by symbol; NULL: none */
	const ElfW(Verneed) *needed;
	const ElfW(Rela) *data, *slots;
	size_t n_data, n_slots;
};

struct linking {
	struct link_name *names;
	struct { uintptr_t start, end; } former[FORMER_MAX]; /* libraries of earlier recordings */
	uint32_t n_former, changed, left;
};

static uintptr_t page_of(uintptr_t at)
{
	return at & -getauxval(AT_PAGESZ);
}

/* Some dynamic linkers leave addresses in PT_DYNAMIC as the file has them. */
static uintptr_t address(const struct object *o, ElfW(Addr) value)
{
	return value < o->base ? o->base + value : value;
}

static void read_dynamic(struct object *o, const ElfW(Dyn) *d)
{
	bool rela = false;

	for (; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB: o->symbols = (const ElfW(Sym) *)address(o, d->d_un.d_ptr); break;
		case DT_STRTAB: o->strings = (const char *)address(o, d->d_un.d_ptr); break;
		case DT_VERSYM: o->versions = (const ElfW(Half) *)address(o, d->d_un.d_ptr); break;
		case DT_VERNEED: o->needed = (const ElfW(Verneed) *)address(o, d->d_un.d_ptr); break;
		case DT_RELA: o->data = (const ElfW(Rela) *)address(o, d->d_un.d_ptr); break;
		case DT_RELASZ: o->n_data = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		case DT_JMPREL: o->slots = (const ElfW(Rela) *)address(o, d->d_un.d_ptr); break;
		case DT_PLTRELSZ: o->n_slots = d->d_un.d_val / sizeof(ElfW(Rela)); break;
		case DT_PLTREL: rela = d->d_un.d_val == DT_RELA; break;
		default: break;
		}
	}
	if (!o->symbols || !o->strings || !o->data)
		o->n_data = 0;
	if (!o->symbols || !o->strings || !o->slots || !rela)
		o->n_slots = 0;
}

static void read_object(struct object *o, const struct dl_phdr_info *info)
{
	*o = (struct object){ .base = info->dlpi_addr, .start = UINTPTR_MAX };
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = o->base + p->p_vaddr;

		if (p->p_type == PT_LOAD && at < o->start)
			o->start = at;
		if (p->p_type == PT_LOAD && at + p->p_memsz > o->end)
			o->end = at + p->p_memsz;
		if (p->p_type == PT_GNU_RELRO) { /* as _dl_protect_relro rounds it */
			o->relro = page_of(at);
			o->relro_end = page_of(at + p->p_memsz);
		}
		if (p->p_type == PT_DYNAMIC)
			read_dynamic(o, (const ElfW(Dyn) *)at);
	}
}

static const char *version_of(const struct object *o, size_t symbol)
{
	const ElfW(Verneed) *n = o->needed;
	unsigned index = o->versions && n ? o->versions[symbol] & 0x7fffU : 0;

	while (index) {
		const ElfW(Vernaux) *a = (const ElfW(Vernaux) *)((uintptr_t)n + n->vn_aux);

		for (unsigned i = 0; i < n->vn_cnt; i++, a = (const ElfW(Vernaux) *)((uintptr_t)a + a->vna_next))
			if (a->vna_other == index)
				return o->strings + a->vna_name;
		if (!n->vn_next)
			break;
		n = (const ElfW(Verneed) *)((uintptr_t)n + n->vn_next);
	}
	return "";
}

/* Not bound yet: the word leads to the object's own code, which will ask the dynamic linker. */
static bool is_unbound(const struct object *o, const struct link_name *l, size_t symbol, uintptr_t value)
{
	if (value < o->start || value >= o->end || o->symbols[symbol].st_shndx != SHN_UNDEF)
		return false;
	return strncmp(l->name, COND, strlen(COND)) != 0 || strcmp(version_of(o, symbol), OLD_COND) != 0;
}

static bool is_former(const struct linking *l, uintptr_t value)
{
	for (uint32_t i = 0; i < l->n_former; i++)
		if (value >= l->former[i].start && value < l->former[i].end)
			return true;
	return false;
}

static bool change(const struct object *o, uintptr_t *word, uintptr_t value)
{
	uintptr_t at = (uintptr_t)word;
	bool protected = at >= o->relro && at < o->relro_end;

	if (protected && SYS(mprotect, page_of(at), getauxval(AT_PAGESZ), PROT_READ | PROT_WRITE))
		return false;
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	if (protected)
		SYS(mprotect, page_of(at), getauxval(AT_PAGESZ), PROT_READ);
	return true;
}

static void link_one(struct linking *l, const struct object *o, const ElfW(Rela) *r, uint32_t type)
{
	uintptr_t *word = (uintptr_t *)(o->base + r->r_offset), value;
	size_t symbol = ELF64_R_SYM(r->r_info);
	const char *name;

	if (ELF64_R_TYPE(r->r_info) != type || !symbol || (uintptr_t)word % sizeof(*word) || (uintptr_t)word < o->start ||
	    (uintptr_t)word + sizeof(*word) > o->end)
		return;
	name = o->strings + o->symbols[symbol].st_name;
	for (const struct link_name *n = l->names; n->name; n++) {
		if (!n->theirs || strcmp(n->name, name) != 0)
			continue;
		value = __atomic_load_n(word, __ATOMIC_RELAXED);
		if ((value == n->theirs || is_former(l, value) || (type == RELOC_SLOT && is_unbound(o, n, symbol, value))) &&
		    change(o, word, n->ours))
			l->changed++;
		else
			l->left++;
		return;
	}
}

static bool is_ours(const struct object *o)
{
	return (uintptr_t)&lib >= o->start && (uintptr_t)&lib < o->end;
}

static int link_object(struct dl_phdr_info *info, size_t size, void *linking)
{
	struct object o;

	(void)size;
	read_object(&o, info);
	if (is_ours(&o))
		return 0;
	for (size_t i = 0; i < o.n_slots; i++)
		link_one(linking, &o, &o.slots[i], RELOC_SLOT);
	for (size_t i = 0; i < o.n_data; i++)
		link_one(linking, &o, &o.data[i], RELOC_DATA);
	return 0;
}

static int find_former(struct dl_phdr_info *info, size_t size, void *linking)
{
	const char *slash = info->dlpi_name ? strrchr(info->dlpi_name, '/') : NULL;
	struct linking *l = linking;
	struct object o;

	(void)size;
	read_object(&o, info);
	if (!slash || strcmp(slash + 1, SHARED_INJECTED) != 0 || is_ours(&o) || l->n_former == FORMER_MAX)
		return 0;
	l->former[l->n_former].start = o.start;
	l->former[l->n_former++].end = o.end;
	return 0;
}

/* Does another library of the process stand before what we call?  Then the calls are its own. */
static bool is_intercepted(const struct link_name *n)
{
	Dl_info found, theirs, program;
	void *global = dlsym(RTLD_DEFAULT, n->name);

	if ((uintptr_t)global == n->theirs || !dladdr(global, &found) || !dladdr((void *)n->theirs, &theirs) ||
	    !dladdr((void *)getauxval(AT_ENTRY), &program))
		return false;
	return found.dli_fbase != theirs.dli_fbase && found.dli_fbase != program.dli_fbase; /* the program's: a stub of its own for libc's */
}

#define LINK(function, member) { #function, (uintptr_t)function, (uintptr_t)real.member }
void linkage_change(void)
{
	struct link_name names[] = {
		LINK(pthread_cond_wait, cond_wait), LINK(pthread_cond_timedwait, cond_timedwait),
		LINK(pthread_cond_clockwait, cond_clockwait), LINK(pthread_cond_signal, cond_signal),
		LINK(pthread_mutex_lock, mutex_lock), LINK(sem_wait, sem_wait), LINK(sem_timedwait, sem_timedwait),
		LINK(sem_clockwait, sem_clockwait), LINK(pthread_create, thread_create), LINK(sigaction, sigaction),
		LINK(signal, signal), LINK(execve, execve), LINK(execv, execv), LINK(execvp, execvp), LINK(execvpe, execvpe),
		LINK(fexecve, fexecve), { 0 },
	};
	struct linking l = { .names = names };

	for (struct link_name *n = names; n->name; n++)
		if (n->theirs && is_intercepted(n))
			n->theirs = 0, l.left++;
	dl_iterate_phdr(find_former, &l);
	dl_iterate_phdr(link_object, &l);
	lib.shared->calls_changed = l.changed;
	lib.shared->calls_left = l.left;
}
