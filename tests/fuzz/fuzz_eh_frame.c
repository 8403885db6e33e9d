/* First eight bytes: the address asked for; next four: where the table begins; the rest is the segment, which lies at address 0. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/symbols/eh_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t pc, start;
	uint32_t table;
	uint8_t *bytes; /* of their own, so that a read beyond the end is seen */

	if (size < 12)
		return 0;
	memcpy(&pc, data, 8);
	memcpy(&table, data + 8, 4);
	size -= 12;
	bytes = malloc(size ? size : 1);
	if (!bytes)
		return 0;
	memcpy(bytes, data + 12, size);
	if (eh_frame_function(&(struct eh_frame){ bytes, size, 0, table }, pc, &start) && start > pc)
		abort();
	free(bytes);
	return 0;
}
