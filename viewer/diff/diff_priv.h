#pragma once
/* What the files of the page share: diff.c (document, head, order), tables.c (rows), flame.c (graphs), verdict.c (of a check).
 * Owns: nothing.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>

#include "core/analysis/difference.h"
#include "core/util/strbuf.h"

struct check_report;
struct stack_difference;
struct stack_functions;
enum stack_graph;

/* Cells of a table row.  Texts are raw or escaped once already: both come out the same. */
void cell_text(struct strbuf *b, const char *text, const char *at); /* at: a place below it, NULL none */
void cell_seconds(struct strbuf *b, bool known, double seconds);
void cell_change(struct strbuf *b, const struct difference *d, double base, double head);
/* class: of the table; titles end with NULL, those that begin with '#' are of numbers.  caption is markup. */
void table_open(struct strbuf *b, const char *caption, const char *const *titles);
void table_close(struct strbuf *b, size_t left_out);

const char *per_unit(const struct difference *d); /* "per second", "per operation" */
/* "1.20 s", as a person reads it. */
enum { SECONDS_LEN = 32 };
char *seconds_text(char ret[SECONDS_LEN], double s);
/* "+35 %", "new", "gone", "-" */
char *change_text(char ret[SECONDS_LEN], const struct difference *d, double base, double head);
/* Both sides can be compared: budgets have no base. */
bool diff_compares(const struct difference *d);

void put_tables(struct strbuf *b, const struct difference *d);
void put_functions(struct strbuf *b, const struct difference *d, const struct stack_functions *f);
void put_graph(struct strbuf *b, const struct difference *d, const struct stack_difference *s, enum stack_graph g);
void put_verdict(struct strbuf *b, const struct check_report *r);
