#pragma once
/* The tables all threads of a Firefox profile share: strings, functions, frames, stacks (as a tree of prefixes), sources.
 * Each thing gets its number when it is first named; the tables are written at the end.
 * Owns: its tables.  Context: one thread.  Errors: none (xalloc). */
#include <stdbool.h>
#include <stdint.h>

#include "core/util/pool.h"
#include "core/util/vec.h"
#include "viewer/json/stream.h"

struct reader;
struct firefox_func { uint32_t name, source, line; };
struct firefox_frame { uint32_t func, line, category; };
struct firefox_node { uint32_t frame; int32_t prefix; };

struct firefox_tables {
	struct pool strings, sources, funcs, frames, nodes; /* the keys are the rows: text, string, and the structs above */
	struct pool stacks; /* of stack and category */
	vec(int32_t) node_of; /* by number of the stack */
};

void firefox_tables_init(struct firefox_tables *t);
void firefox_tables_done(struct firefox_tables *t);

uint32_t firefox_string(struct firefox_tables *t, const char *raw); /* escaped */
/* Index of the stack in stackTable, -1 without frames. */
int64_t firefox_stack(struct firefox_tables *t, struct reader *r, uint64_t stack, uint32_t category);
uint32_t firefox_category(unsigned state); /* of enum thread_state */
void firefox_put_categories(struct stream *s);
void firefox_put_tables(const struct firefox_tables *t, struct stream *s);
