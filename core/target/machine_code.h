#pragma once
/* What the first instructions of an exported function refer to: how static variables are found in stripped programs.
 * x86-64 code as gcc and clang write it; no disassembler, only the forms that name an address: relative to the instruction
 * pointer, or to the thread pointer (fs).  What is found is a guess that its user proves on live memory.
 *
 * Owns: nothing.  Context: any.  Errors: none, what is not recognised is passed over.  Untrusted: the bytes; bounded by their number. */
#include <stddef.h>
#include <stdint.h>

#define MACHINE_CODE_BYTES 256 /* enough of a function that only reads or writes one variable */

enum code_ref_kind {
	CODE_REF_LOAD = 1 << 0, /* mov disp(%rip), reg */
	CODE_REF_STORE = 1 << 1, /* mov reg, disp(%rip) */
	CODE_REF_ADDRESS = 1 << 2, /* lea disp(%rip), reg; mov $address, %edi (first argument, below 4 GiB) */
	CODE_REF_COMPARE = 1 << 3, /* cmp $0, disp(%rip) */
	CODE_REF_EXCHANGE = 1 << 4, /* lock cmpxchg reg, disp(%rip) */
	CODE_REF_THREAD = 1 << 5, /* mov %fs:disp, reg; value is the displacement */
	CODE_REF_CALL = 1 << 6, /* call */
	CODE_REF_UNEQUAL = 1 << 7, /* jne */
};
struct code_ref {
	enum code_ref_kind kind;
	unsigned width; /* bytes of the operand: 4, 8; 0 of a call or jump */
	uint64_t value;
};

/* References of the wanted kinds in code that runs at addr, in order; returns how many, at most max. */
unsigned machine_code_refs(const uint8_t *code, size_t n, uint64_t addr, unsigned kinds, struct code_ref *ret, unsigned max);
