/* See gil_choice.h. */
#include "core/interp/gil_choice.h"

#include <string.h>

#include "core/interp/lock_object.h"
#include "core/interp/pydict.h"
#include "core/interp/pystr.h"

#define FLAG_GIL 18 /* of sys.flags, from 3.13 on (Python/sysmodule.c, flags_fields) */

enum gil_choice gil_choice_read(const struct layout *l, const struct mem *mem, uint64_t interp)
{
	uint64_t sysdict, flags, flag, value;
	char type[16];

	if (l->interp_sysdict == NO_FIELD || l->tuple_items == NO_FIELD || mem_u64(mem, interp + l->interp_sysdict, &sysdict) != 0 ||
	    dict_find(l, mem, sysdict, "flags", &flags) != 0 || mem_u64(mem, flags + l->tuple_items + 8 * FLAG_GIL, &flag) != 0)
		return GIL_CHOICE_UNKNOWN;
	if (object_type_name(l, mem, flag, type, sizeof(type)) != 0)
		return GIL_CHOICE_UNKNOWN;
	if (strcmp(type, "NoneType") == 0)
		return GIL_CHOICE_OPEN;
	if (strcmp(type, "int") != 0 || pylong_read(l, mem, flag, &value) != 0)
		return GIL_CHOICE_UNKNOWN;
	return value == 0 ? GIL_CHOICE_OFF : value == 1 ? GIL_CHOICE_ON : GIL_CHOICE_UNKNOWN;
}

const char *gil_choice_text(enum gil_choice choice, int on)
{
	static const char *const texts[2][4] = {
		{ "off: nobody waits for it", "off: nobody waits for it", "off (PYTHON_GIL=0 or -X gil=0): nobody waits for it",
		  "off: nobody waits for it" },
		{ "on (PYTHON_GIL=1, or an extension that needs it)", "on (an extension that needs it was imported)",
		  "on (PYTHON_GIL=1, or an extension that needs it)", "on (PYTHON_GIL=1 or -X gil=1)" },
	};

	return texts[on != 0][choice];
}
