/* First byte: format; next four: lasti; next four: first line; the rest is the table. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/interp/linetable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct linetable_ops *const formats[] = { &linetable_lnotab, &linetable_lines, &linetable_location };
	uint32_t first, line;
	int32_t lasti;
	uint8_t *table; /* of its own, so that a read beyond its end is seen */

	if (size < 9)
		return 0;
	memcpy(&lasti, data + 1, 4);
	memcpy(&first, data + 5, 4);
	table = malloc(size - 9 ? size - 9 : 1);
	if (!table)
		return 0;
	memcpy(table, data + 9, size - 9);
	line = formats[data[0] % 3]->line(table, size - 9, first, lasti);
	if (line > 1u << 30)
		abort();
	free(table);
	return 0;
}
