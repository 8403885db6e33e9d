#pragma once
/* The tables of a recording: their SQL text, their version, their look-up rows.  FORMAT.md explains each column.
 * Used by the writer to create them and by the reader to insist on exactly these.
 * Owns: nothing.  Context: any.  Errors: SQLite result codes. */
#include <sqlite3.h>
#include <stddef.h>

/* "GILS" in the header of the file.  user_version = major * 1000 + minor: a minor version only adds tables and views,
 * anything else is a new major. */
#define SCHEMA_APPLICATION_ID 0x47494c53
#define SCHEMA_MAJOR 1
/* 1.1: process_collector; 1.2: lock_object, wait_place; 1.3: looks; 1.4: native_frame, native_stack, native_loss, five more kinds of
 * locks; 1.5: stall */
#define SCHEMA_MINOR 5
#define SCHEMA_VERSION (SCHEMA_MAJOR * 1000 + SCHEMA_MINOR)

extern const char schema_tables_sql[]; /* CREATE TABLE … */
extern const char schema_views_sql[]; /* CREATE VIEW … */

/* Tables that came with a minor version: a recording of an older one is read as if they were there and empty. */
struct schema_addition {
	unsigned minor;
	const char *sql; /* CREATE TABLE … */
};
extern const struct schema_addition schema_additions[];
extern const size_t schema_n_additions;

/* Fills the look-up tables (thread_state, wait_end, …) of a new file. */
int schema_fill_names(sqlite3 *db);
