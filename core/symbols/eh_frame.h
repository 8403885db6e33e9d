#pragma once
/* Where the functions of a stripped file begin: its unwind tables still say.  By them a function without a name is one and the same
 * wherever in it a thread stands.
 * Read are the binary search table of .eh_frame_hdr and the entries that it leads to, in the one encoding that linkers write (LSB 3.0,
 * "DWARF Extensions"): addresses of 32 bits, relative to the table and to the entry.
 * Owns: nothing, it borrows the bytes.  Context: any, pure.  Errors: false: nothing is known of that address.  Untrusted: all bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eh_frame {
	const uint8_t *bytes; /* of the segment that has both sections; NULL: none */
	size_t n;
	uint64_t addr; /* of its first byte, in the file's addresses */
	uint64_t table; /* of .eh_frame_hdr */
};

/* pc and *ret_start in the file's addresses. */
bool eh_frame_function(const struct eh_frame *e, uint64_t pc, uint64_t *ret_start);
