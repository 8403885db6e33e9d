#pragma once
/* Text that strangers chose, made fit for the document: the only ways by which it gets there.  Both first make it
 * printable (core/util/escape.h), then quote: markup_text for element content and attribute values in double quotes,
 * markup_json for a JSON string inside a <script> (no character that could end the element or its line).
 * Owns: nothing.  Context: one thread.  Errors: none. */
#include <stdbool.h>
#include <stddef.h>

#include "core/util/strbuf.h"

/* Longer names are cut, with a mark. */
#define MARKUP_TEXT_MAX 4096

void markup_text(struct strbuf *b, const char *bytes);
void markup_json(struct strbuf *b, const char *bytes); /* with its quotation marks */
/* For bytes that are JSON already: what could end a <script> becomes \u003c and the like. */
void markup_json_safe(struct strbuf *b, const char *json, size_t n);
