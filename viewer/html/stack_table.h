#pragma once
/* The stacks that a report's rows name, as the page has them: small dense ids (0 none) in the order of their first use,
 * and the tree of calls they are leaves of.
 * Owns: stack_table_done frees.  Context: one thread.  Errors: none. */
#include <stdint.h>

#include "core/store/reader.h"
#include "core/util/vec.h"

struct stack_table {
	struct reader *reader;
	uint32_t *dense; /* by the reader's id */
	vec(uint32_t) ids; /* by dense id: the reader's */
};

void stack_table_init(struct stack_table *t, struct reader *r);
void stack_table_done(struct stack_table *t);
uint32_t stack_table_id(struct stack_table *t, uint64_t stack);

struct block_writer;
struct strbuf;
/* Tables stacks, nodes and frames; appends the names to strings, as elements of a JSON list. */
void stack_table_write(const struct stack_table *t, struct block_writer *w, struct strbuf *strings);
