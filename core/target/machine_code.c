/* See machine_code.h.  Intel SDM volume 2: ModRM 00 reg 101 is a 32-bit displacement from the next instruction. */
#include "core/target/machine_code.h"

#include <stdbool.h>
#include <string.h>

#define REX_FIRST 0x40
#define REX_LAST 0x4f
#define REX_W 8
#define FS_PREFIX 0x64
#define LOCK_PREFIX 0xf0

static int32_t disp_at(const uint8_t *p)
{
	int32_t disp;

	memcpy(&disp, p, sizeof(disp));
	return disp;
}

/* mov %fs:disp32, reg: ModRM 00 reg 100, SIB 25 (no base, no index) */
static size_t thread_ref(const uint8_t *p, size_t n, struct code_ref *ret)
{
	if (n < 9 || p[0] != FS_PREFIX || (p[1] & 0xf8) != (REX_FIRST | REX_W) || p[2] != 0x8b || (p[3] & 0xc7) != 0x04 || p[4] != 0x25)
		return 0;
	*ret = (struct code_ref){ CODE_REF_THREAD, 8, (uint64_t)(int64_t)disp_at(p + 5) };
	return 9;
}

/* One instruction with an operand relative to the instruction pointer: its length, 0 if it is none. */
static size_t relative_ref(const uint8_t *p, size_t n, uint64_t addr, struct code_ref *ret)
{
	size_t at = 0, immediate = 0;
	bool lock = p[0] == LOCK_PREFIX;
	unsigned width = 4;

	at += lock;
	if (at < n && p[at] >= REX_FIRST && p[at] <= REX_LAST)
		width = p[at++] & REX_W ? 8 : 4;
	if (n < at + 7) /* the shortest left: opcode, ModRM, displacement, and one to spare */
		return 0;
	if (lock && p[at] == 0x0f && p[at + 1] == 0xb1) {
		ret->kind = CODE_REF_EXCHANGE;
		at++;
	} else if (!lock && p[at] == 0x8b) {
		ret->kind = CODE_REF_LOAD;
	} else if (!lock && p[at] == 0x89) {
		ret->kind = CODE_REF_STORE;
	} else if (!lock && p[at] == 0x8d && width == 8) {
		ret->kind = CODE_REF_ADDRESS;
	} else if (!lock && p[at] == 0x83 && (p[at + 1] & 0x38) == 0x38) {
		ret->kind = CODE_REF_COMPARE;
		immediate = 1;
	} else {
		return 0;
	}
	at++;
	if ((p[at] & 0xc7) != 0x05 || n < at + 5 + immediate)
		return 0;
	ret->width = width;
	ret->value = addr + at + 5 + immediate + (uint64_t)(int64_t)disp_at(p + at + 1);
	return at + 5 + immediate;
}

/* call disp32; jne disp32; mov $imm32, %edi */
static size_t plain_ref(const uint8_t *p, size_t n, uint64_t addr, struct code_ref *ret)
{
	if (n < 5)
		return 0;
	if (p[0] == 0x0f && p[1] == 0x85 && n >= 6) {
		*ret = (struct code_ref){ CODE_REF_UNEQUAL, 0, addr + 6 + (uint64_t)(int64_t)disp_at(p + 2) };
		return 6;
	}
	if (p[0] == 0xe8)
		*ret = (struct code_ref){ CODE_REF_CALL, 0, addr + 5 + (uint64_t)(int64_t)disp_at(p + 1) };
	else if (p[0] == 0xbf)
		*ret = (struct code_ref){ CODE_REF_ADDRESS, 8, (uint32_t)disp_at(p + 1) };
	else
		return 0;
	return 5;
}

unsigned machine_code_refs(const uint8_t *code, size_t n, uint64_t addr, unsigned kinds, struct code_ref *ret, unsigned max)
{
	unsigned found = 0;

	for (size_t i = 0; i < n && found < max;) {
		struct code_ref ref;
		size_t len = thread_ref(code + i, n - i, &ref);

		if (!len)
			len = relative_ref(code + i, n - i, addr + i, &ref);
		if (!len)
			len = plain_ref(code + i, n - i, addr + i, &ref);
		if (len && (ref.kind & kinds))
			ret[found++] = ref;
		i += len ? len : 1;
	}
	return found;
}
