/* See code.h. */
#include "core/interp/code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CODE_SPAN 512

static uint64_t u64_at(const uint8_t *bytes, uint32_t at)
{
	uint64_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

int code_read_key(const struct layout *l, const struct mem *mem, uint64_t code, struct code_key *ret)
{
	uint32_t name = l->code_qualname != NO_FIELD ? l->code_qualname : l->code_name;
	uint32_t span = l->code_size < CODE_SPAN ? l->code_size : CODE_SPAN;
	uint8_t bytes[CODE_SPAN];
	int r;

	if (span < 8 || name > span - 8 || l->code_filename > span - 8 || l->code_linetable > span - 8 ||
	    l->code_firstlineno > span - 4)
		return -EPROTO;
	if (code == 0 || code % 8 != 0)
		return CODE_NOT_ONE;
	r = mem_read(mem, code, bytes, span);
	if (r < 0)
		return r;
	ret->name = u64_at(bytes, name);
	ret->file = u64_at(bytes, l->code_filename);
	ret->linetable = u64_at(bytes, l->code_linetable);
	memcpy(&ret->first_line, bytes + l->code_firstlineno, sizeof(ret->first_line));
	return 0;
}

int code_read_names(const struct layout *l, const struct mem *mem, const struct code_key *key,
		    char (*ret_function)[PYSTR_SIZE], char (*ret_file)[PYSTR_SIZE])
{
	int r = pystr_read(l, mem, key->name, *ret_function, sizeof(*ret_function));

	return r != 0 ? r : pystr_read(l, mem, key->file, *ret_file, sizeof(*ret_file));
}

int code_read_linetable(const struct layout *l, const struct mem *mem, const struct code_key *key, uint8_t **ret,
			size_t *ret_n)
{
	uint8_t *table;
	uint64_t n;
	int r = key->linetable ? mem_u64(mem, key->linetable + l->var_size, &n) : CODE_NOT_ONE;

	if (r != 0)
		return r;
	if (n > INT64_MAX)
		return CODE_NOT_ONE;
	if (n > CODE_LINETABLE_MAX)
		n = CODE_LINETABLE_MAX;
	table = malloc(n ? n : 1);
	if (!table)
		return -ENOMEM;
	r = n ? mem_read(mem, key->linetable + l->bytes_data, table, n) : 0; /* a lambda of one line had none before 3.10 */
	if (r < 0) {
		free(table);
		return r;
	}
	*ret = table;
	*ret_n = n;
	return 0;
}
