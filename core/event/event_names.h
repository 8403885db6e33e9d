#pragma once
/* Names and sizes of the event kinds, from event_kinds.def; when an event was complete.
 * Owns: nothing.  Context: any.  Errors: none. */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/event/event.h"

const char *event_name(unsigned kind); /* "off"; NULL if there is no such kind */
const char *event_meaning(unsigned kind);
size_t event_size(unsigned kind); /* of the whole struct, 0 if there is no such kind */
unsigned event_kind(const char *name, size_t len); /* 0 if there is no such name */
/* Is this a whole event of a known kind?  len: bytes that may be read. */
bool event_size_ok(const struct ev_hdr *h, size_t len);

/* The moment at which the event was complete; 0 for a stack, which has none.  The event is whole (event_size_ok). */
__u64 event_complete_ns(const struct ev_hdr *h);

struct event_word { unsigned value; const char *word; };
/* Words of the text form, ended by a NULL word: EV_F_*, EV_LOSS_*, EV_LEVEL_*, EV_AGG_*, EV_PARKED_*. */
extern const struct event_word event_flag_words[], event_loss_words[], event_reason_words[], event_agg_words[],
	event_parked_words[];
