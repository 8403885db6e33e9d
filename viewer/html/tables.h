#pragma once
/* The row tables of a report's data: intervals, holds with their pieces, waits, deltas of credits, hand-offs, samples, tallies,
 * in this order.  What a column means stands beside its line in tables.c; page/data/decode.ts is the other half.
 * Owns: nothing.  Context: one thread.  Errors: kept by the writer. */
struct block_writer;
struct rows;

void tables_write(const struct rows *x, struct block_writer *w);
