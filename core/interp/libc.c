/* The rows of libc.h, of x86-64.
 * glibc 2.31 to 2.44: nptl/descr.h, struct pthread (tid; specific_1stblock: two words each, the second is the value).
 * musl 1.2.3 and 1.2.6: src/internal/pthread_impl.h, struct pthread (tid, tsd; 128 keys) and _c_head. */
#include "core/interp/libc.h"

const struct libc libcs[] = {
	{ .name = "glibc", .tid = 0x2d0, .tss_first = 0x310 + 8, .tss_step = 16, .tss_keys = 32 },
	{ .name = "musl", .tid = 0x30, .tss_pointer = 0x80, .tss_step = 8, .tss_keys = 128, .cond_list = 8 },
};
const size_t n_libcs = sizeof(libcs) / sizeof(libcs[0]);
