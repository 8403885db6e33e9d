#pragma once
/* The row tables of a report's data: intervals, waits, holds with their pieces, deltas of credits, hand-offs, samples, tallies.
 * What a column means stands beside its line in tables.c; page/data/decode.ts is the other half.
 * Owns: nothing but the spots.  Context: one thread; the first function does not look at credits.  Errors: kept by the writer. */
struct block_writer;
struct rows;
struct spot;

/* Intervals, and what is told by them: waits, and the times of holds, which are returned for later; free() them. */
struct spot *tables_write_intervals(const struct rows *x, struct block_writer *w);
/* When all rows are there (rows_finish). */
void tables_write_rest(const struct rows *x, struct block_writer *w, const struct spot *holds);
