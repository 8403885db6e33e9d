/* See dwarf_layout.h.  DWARF 5, 5.7: structures and their members; typedefs are followed to them. */
#include "core/target/dwarf_layout.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define UNITS_MAX 4096
#define DIES_MAX 100000 /* of a unit, on its top level */
#define MEMBERS_MAX 1024
#define TYPE_STEPS 8 /* typedef, const, volatile … */
#define OFFSET_MAX (8u << 20)

/* The files of CPython whose units together know all of these. */
static const char *const units[] = { "ceval.c", "pystate.c", "dictobject.c", "unicodeobject.c", "moduleobject.c", "frameobject.c" };

struct dwarf_field {
	const char *type; /* a typedef or a struct tag */
	const char *member; /* dotted path; NULL: the size of the type */
	size_t field;
};
#define FIELD(type, member, name) { type, member, offsetof(struct layout, name) }
/* Of several for one field the first that is there counts: versions call them differently, and have both. */
static const struct dwarf_field fields[] = {
	FIELD("pyruntimestate", "interpreters.head", runtime_interpreters_head),
	FIELD("pyruntimestate", "ceval.gil", runtime_gil),
	FIELD("pyruntimestate", "gilstate.autoTSSkey", runtime_tss_key),
	FIELD("pyruntimestate", "autoTSSkey", runtime_tss_key),
	FIELD("pyruntimestate", "gc.collecting", runtime_gc_collecting),
	FIELD("PyInterpreterState", "next", interp_next),
	FIELD("PyInterpreterState", "id", interp_id),
	FIELD("PyInterpreterState", "tstate_head", interp_tstate_head),
	FIELD("PyInterpreterState", "threads.head", interp_tstate_head),
	FIELD("PyInterpreterState", "ceval.gil", interp_gil_ptr),
	FIELD("PyInterpreterState", "gc.collecting", interp_gc_collecting),
	FIELD("PyInterpreterState", "modules", interp_modules),
	FIELD("PyInterpreterState", "imports.modules", interp_modules),
	FIELD("PyInterpreterState", "sysdict", interp_sysdict),
	FIELD("_gil_runtime_state", NULL, gil_size),
	FIELD("_gil_runtime_state", "interval", gil_interval),
	FIELD("_gil_runtime_state", "last_holder", gil_last_holder),
	FIELD("_gil_runtime_state", "locked", gil_locked),
	FIELD("_gil_runtime_state", "switch_number", gil_switch_number),
	FIELD("_gil_runtime_state", "cond", gil_cond),
	FIELD("_gil_runtime_state", "mutex", gil_mutex),
	FIELD("_gil_runtime_state", "switch_cond", gil_switch_cond),
	FIELD("_gil_runtime_state", "switch_mutex", gil_switch_mutex),
	FIELD("PyThreadState", "prev", tstate_prev),
	FIELD("PyThreadState", "next", tstate_next),
	FIELD("PyThreadState", "interp", tstate_interp),
	FIELD("PyThreadState", "frame", tstate_frame),
	FIELD("PyThreadState", "cframe", tstate_frame),
	FIELD("PyThreadState", "thread_id", tstate_thread_id),
	FIELD("PyThreadState", "native_thread_id", tstate_native_thread_id),
	FIELD("_PyCFrame", "current_frame", cframe_frame),
	FIELD("_PyInterpreterFrame", "f_code", frame_code),
	FIELD("_PyInterpreterFrame", "previous", frame_prev),
	FIELD("_PyInterpreterFrame", "prev_instr", frame_instr),
	FIELD("_PyInterpreterFrame", "owner", frame_owner),
	FIELD("_PyInterpreterFrame", "is_entry", frame_entry),
	FIELD("_frame", "f_code", frame_code),
	FIELD("_frame", "f_back", frame_prev),
	FIELD("_frame", "f_lasti", frame_instr),
	FIELD("PyCodeObject", NULL, code_size),
	FIELD("PyCodeObject", "co_filename", code_filename),
	FIELD("PyCodeObject", "co_name", code_name),
	FIELD("PyCodeObject", "co_qualname", code_qualname),
	FIELD("PyCodeObject", "co_firstlineno", code_firstlineno),
	FIELD("PyCodeObject", "co_linetable", code_linetable),
	FIELD("PyCodeObject", "co_lnotab", code_linetable),
	FIELD("PyCodeObject", "co_code_adaptive", code_bytecode),
	FIELD("PyObject", "ob_type", object_type),
	FIELD("PyVarObject", "ob_size", var_size),
	FIELD("PyASCIIObject", NULL, unicode_ascii_size),
	FIELD("PyASCIIObject", "length", unicode_length),
	FIELD("PyASCIIObject", "state", unicode_state),
	FIELD("PyASCIIObject", "wstr", unicode_wstr),
	FIELD("PyCompactUnicodeObject", NULL, unicode_compact_size),
	FIELD("PyCompactUnicodeObject", "wstr_length", unicode_wstr_length),
	FIELD("PyUnicodeObject", "data", unicode_data),
	FIELD("PyStringObject", "ob_sval", bytes_data),
	FIELD("PyBytesObject", "ob_sval", bytes_data),
	FIELD("PyIntObject", "ob_ival", int_value),
	FIELD("PyLongObject", "ob_digit", long_digits),
	FIELD("PyLongObject", "long_value.ob_digit", long_digits),
	FIELD("PyLongObject", "long_value.lv_tag", long_size),
	FIELD("PyTypeObject", "tp_name", type_name),
	FIELD("PyTypeObject", "tp_basicsize", type_basicsize),
	FIELD("PyTypeObject", "tp_flags", type_flags),
	FIELD("PyTypeObject", "tp_dictoffset", type_dictoffset),
	FIELD("PyHeapTypeObject", "ht_cached_keys", type_cached_keys),
	FIELD("PyDictObject", "ma_keys", dict_keys),
	FIELD("PyDictObject", "ma_values", dict_values),
	FIELD("PyDictObject", "ma_table", dict_table),
	FIELD("PyDictObject", "ma_mask", dict_mask),
	FIELD("PyModuleObject", "md_dict", module_dict),
	FIELD("_dictkeysobject", "dk_size", keys_size),
	FIELD("_dictkeysobject", "dk_log2_index_bytes", keys_log2_index_bytes),
	FIELD("_dictkeysobject", "dk_kind", keys_kind),
	FIELD("_dictkeysobject", "dk_nentries", keys_nentries),
	FIELD("_dictkeysobject", "dk_indices", keys_indices),
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

struct dwarf_walk {
	bool found[N_FIELDS];
	uint32_t value[N_FIELDS];
};

/* Through typedefs and qualifiers to the structure itself; false if there is none, or only a declaration. */
static bool structure_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attr;

	*ret = *die;
	for (int i = 0; i < TYPE_STEPS; i++) {
		int tag = dwarf_tag(ret);

		if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type)
			return !dwarf_hasattr(ret, DW_AT_declaration);
		if ((tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type) ||
		    !dwarf_attr_integrate(ret, DW_AT_type, &attr) || !dwarf_formref_die(&attr, ret))
			return false;
	}
	return false;
}

static bool find_member(Dwarf_Die *structure, const char *name, size_t len, Dwarf_Die *ret)
{
	if (dwarf_child(structure, ret) != 0)
		return false;
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const char *this_name = dwarf_tag(ret) == DW_TAG_member ? dwarf_diename(ret) : NULL;

		if (this_name && strncmp(this_name, name, len) == 0 && this_name[len] == '\0')
			return true;
		if (dwarf_siblingof(ret, ret) != 0)
			return false;
	}
	return false;
}

static bool member_offset(Dwarf_Die structure, const char *path, uint64_t *ret)
{
	uint64_t offset = 0;

	while (true) {
		size_t len = strcspn(path, ".");
		Dwarf_Attribute attr;
		Dwarf_Die member, type;
		Dwarf_Word here = 0;

		if (!find_member(&structure, path, len, &member))
			return false;
		if (dwarf_attr(&member, DW_AT_data_member_location, &attr) && dwarf_formudata(&attr, &here) != 0)
			return false;
		offset += here;
		if (path[len] == '\0')
			break;
		path += len + 1;
		if (!dwarf_attr_integrate(&member, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &type) || !structure_of(&type, &structure))
			return false;
	}
	*ret = offset;
	return offset < OFFSET_MAX;
}

static bool field_value(Dwarf_Die *structure, const struct dwarf_field *f, uint64_t *ret)
{
	int size;

	if (f->member)
		return member_offset(*structure, f->member, ret);
	size = dwarf_bytesize(structure);
	*ret = (uint64_t)size;
	return size > 0 && (unsigned)size < OFFSET_MAX;
}

static void take_type(struct dwarf_walk *w, Dwarf_Die *die, const char *name)
{
	Dwarf_Die structure;
	uint64_t value;

	for (size_t i = 0; i < N_FIELDS; i++)
		if (!w->found[i] && strcmp(fields[i].type, name) == 0 && structure_of(die, &structure) &&
		    field_value(&structure, &fields[i], &value)) {
			w->found[i] = true;
			w->value[i] = (uint32_t)value;
		}
}

static void walk_unit(struct dwarf_walk *w, Dwarf_Die *unit)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return;
	for (int i = 0; i < DIES_MAX; i++) {
		int tag = dwarf_tag(&die);
		const char *name = tag == DW_TAG_typedef || tag == DW_TAG_structure_type ? dwarf_diename(&die) : NULL;

		if (name)
			take_type(w, &die, name);
		if (dwarf_siblingof(&die, &die) != 0)
			break;
	}
}

static bool is_wanted(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(slash ? slash + 1 : path, units[i]) == 0)
			return true;
	return false;
}

/* Fields the row does not have stay away: another way to them is the row's. */
static int apply(const struct dwarf_walk *w, struct layout *l, unsigned *ret_differ)
{
	unsigned differ = 0;
	int n = 0;

	for (size_t i = 0; i < N_FIELDS; i++) {
		char *at = (char *)l + fields[i].field;
		bool first = w->found[i];
		uint32_t was;

		for (size_t k = 0; k < i && first; k++)
			first = !w->found[k] || fields[k].field != fields[i].field;
		memcpy(&was, at, sizeof(was));
		if (!first || was == NO_FIELD)
			continue;
		n++;
		differ += was != w->value[i];
		memcpy(at, &w->value[i], sizeof(w->value[i]));
	}
	*ret_differ = differ;
	return n;
}

int dwarf_layout_read(struct elf_file *elf, struct layout *l, unsigned *ret_differ)
{
	Dwarf *dwarf = dwarf_begin_elf(elf_file_elf(elf), DWARF_C_READ, NULL);
	struct dwarf_walk w = {0};
	int found;
	Dwarf_Off at = 0, next;
	size_t head;

	for (int i = 0; dwarf && i < UNITS_MAX && dwarf_nextcu(dwarf, at, &next, &head, NULL, NULL, NULL) == 0; i++) {
		Dwarf_Die unit;
		const char *name = dwarf_offdie(dwarf, at + head, &unit) ? dwarf_diename(&unit) : NULL;

		if (name && is_wanted(name))
			walk_unit(&w, &unit);
		at = next;
	}
	if (dwarf)
		dwarf_end(dwarf);
	found = apply(&w, l, ret_differ);
	return found ? found : -ENODATA;
}
