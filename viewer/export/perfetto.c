/* Perfetto: a stream of TracePackets on one sequence.  A track per thread with its states, below it one with its waits (their
 * stacks weighted by their length, so that a selected area has a flame graph), a track per lock with its holders, and for each
 * hand-off an arrow from the moment of letting go to that of getting.  Packets are packed as a Trace of one packet, which gives the framing.
 * Names, frames and stacks are interned when first used.  Times are CLOCK_MONOTONIC ns in the trace's default clock. */
#include <stdlib.h>
#include <string.h>

#include "core/base/syscall_names.h"
#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/pool.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"
#include "viewer/export/export.h"
#include "viewer/export/perfetto.pb-c.h"
#include "viewer/export/roster.h"

typedef Perfetto__Protos__TracePacket packet_t;
typedef Perfetto__Protos__TrackEvent event_t;
typedef Perfetto__Protos__TrackDescriptor track_t;
typedef Perfetto__Protos__InternedData interned_t;

enum { SEQUENCE = 10, STATE_CLEARED = 1, NEEDS_STATE = 2, MAX_NEW = EV_MAX_FRAMES };
enum track_kind { TRACK_PROCESS = 1, TRACK_THREAD, TRACK_WAITS, TRACK_LOCK };

struct perfetto {
	struct reader *r;
	struct roster *ro;
	FILE *out;
	struct pool names, functions, paths, frames; /* every interned thing has one number space of its own kind */
	uint8_t *stack_sent; /* by stack id */
	uint64_t *lock_end_ns; /* of the last hold shown, by lock */
	uint64_t flows;
	vec(uint8_t) buffer;
	bool first;
};

static uint64_t track_uuid(enum track_kind kind, uint32_t id)
{
	return (uint64_t)kind << 40 | id;
}

static void send(struct perfetto *p, packet_t *packet)
{
	Perfetto__Protos__Trace trace = PERFETTO__PROTOS__TRACE__INIT;
	size_t n;

	packet->has_trusted_packet_sequence_id = packet->has_sequence_flags = 1;
	packet->trusted_packet_sequence_id = SEQUENCE;
	packet->sequence_flags = p->first ? STATE_CLEARED | NEEDS_STATE : NEEDS_STATE;
	p->first = false;
	trace.n_packet = 1;
	trace.packet = &packet;
	n = perfetto__protos__trace__get_packed_size(&trace);
	vec_reserve(&p->buffer, n);
	perfetto__protos__trace__pack(&trace, p->buffer.items);
	fwrite(p->buffer.items, 1, n, p->out);
}

/* The number of a key among its kind, from 1; *ret_new: nobody was told of it yet. */
static uint64_t intern(struct pool *kind, const void *key, size_t n, bool *ret_new)
{
	return pool_number(kind, key, n, ret_new) + UINT64_C(1);
}

/* Of an event or an annotation: a name is told as both. */
static uint64_t name_number(struct perfetto *p, const char *text)
{
	Perfetto__Protos__EventName event = PERFETTO__PROTOS__EVENT_NAME__INIT, *events = &event;
	Perfetto__Protos__DebugAnnotationName annotation = PERFETTO__PROTOS__DEBUG_ANNOTATION_NAME__INIT, *annotations = &annotation;
	interned_t data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	bool is_new;
	uint64_t iid = intern(&p->names, text, strlen(text), &is_new);

	if (!is_new)
		return iid;
	event.has_iid = annotation.has_iid = 1;
	event.iid = annotation.iid = iid;
	event.name = annotation.name = (char *)(uintptr_t)text;
	data.n_event_names = data.n_debug_annotation_names = 1;
	data.event_names = &events;
	data.debug_annotation_names = &annotations;
	packet.interned_data = &data;
	send(p, &packet);
	return iid;
}

/* A function name or a source path. */
static uint64_t text(struct perfetto *p, struct pool *kind, const char *raw)
{
	Perfetto__Protos__InternedString entry = PERFETTO__PROTOS__INTERNED_STRING__INIT, *list = &entry;
	interned_t data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	autostrbuf shown = STRBUF_INIT;
	uint64_t iid;
	bool is_new;

	escape_adds(&shown, raw);
	iid = intern(kind, shown.s, shown.n, &is_new);
	if (!is_new)
		return iid;
	entry.has_iid = entry.has_str = 1;
	entry.iid = iid;
	entry.str = (ProtobufCBinaryData){shown.n, (uint8_t *)shown.s};
	if (kind == &p->functions) {
		data.n_function_names = 1;
		data.function_names = &list;
	} else {
		data.n_source_paths = 1;
		data.source_paths = &list;
	}
	packet.interned_data = &data;
	send(p, &packet);
	return iid;
}

static uint64_t frame(struct perfetto *p, const char *function, const char *file, uint32_t line)
{
	Perfetto__Protos__Frame entry = PERFETTO__PROTOS__FRAME__INIT, *list = &entry;
	interned_t data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	struct { uint64_t function, path, line; } key = {text(p, &p->functions, function), text(p, &p->paths, file), line};
	bool is_new;
	uint64_t iid = intern(&p->frames, &key, sizeof(key), &is_new);

	if (is_new) {
		entry.has_iid = entry.has_function_name_id = entry.has_source_path_iid = entry.has_kind = 1;
		entry.iid = iid;
		entry.function_name_id = key.function;
		entry.source_path_iid = key.path;
		entry.kind = PERFETTO__PROTOS__FRAME__KIND__KIND_INTERPRETED;
		entry.has_line_number = line != 0;
		entry.line_number = line;
		data.n_frames = 1;
		data.frames = &list;
		packet.interned_data = &data;
		send(p, &packet);
	}
	return iid;
}

/* Sent when first used; false without frames. */
static bool callstack(struct perfetto *p, uint64_t stack)
{
	Perfetto__Protos__Callstack entry = PERFETTO__PROTOS__CALLSTACK__INIT, *list = &entry;
	interned_t data = PERFETTO__PROTOS__INTERNED_DATA__INIT;
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;
	uint64_t ids[MAX_NEW + 1];
	const struct reader_frame *frames;
	unsigned flags, n = reader_stack_whole(p->r, stack, &frames, &flags);

	if (!n || stack > reader_info(p->r)->stacks)
		return false;
	if (p->stack_sent[stack])
		return true;
	p->stack_sent[stack] = 1;
	if (flags & READER_STACK_F_TRUNCATED)
		ids[entry.n_frame_ids++] = frame(p, "[truncated]", "", 0);
	for (unsigned i = n < MAX_NEW ? n : MAX_NEW; i-- > 0;) /* root first */
		ids[entry.n_frame_ids++] = frame(p, frames[i].function, frames[i].file, frames[i].line);
	entry.has_iid = 1;
	entry.iid = stack;
	entry.frame_ids = ids;
	data.n_callstacks = 1;
	data.callstacks = &list;
	packet.interned_data = &data;
	send(p, &packet);
	return true;
}

static void send_track(struct perfetto *p, track_t *track)
{
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;

	track->has_uuid = 1;
	packet.has_timestamp = 1;
	packet.timestamp = reader_info(p->r)->start_mono_ns;
	packet.track_descriptor = track;
	send(p, &packet);
}

static void send_process(struct perfetto *p, uint32_t proc)
{
	Perfetto__Protos__ProcessDescriptor process = PERFETTO__PROTOS__PROCESS_DESCRIPTOR__INIT;
	track_t track = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;

	process.has_pid = 1;
	process.pid = (int32_t)roster_process(p->ro, proc)->pid;
	process.process_name = (char *)(uintptr_t)roster_process(p->ro, proc)->name;
	track.uuid = track_uuid(TRACK_PROCESS, proc);
	track.process = &process;
	send_track(p, &track);
}

static void send_named_track(struct perfetto *p, uint64_t uuid, uint64_t parent, const char *name)
{
	track_t track = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;

	track.uuid = uuid;
	track.has_parent_uuid = 1;
	track.parent_uuid = parent;
	track.name = (char *)(uintptr_t)name;
	send_track(p, &track);
}

static void send_thread(struct perfetto *p, uint32_t thread)
{
	Perfetto__Protos__ThreadDescriptor descriptor = PERFETTO__PROTOS__THREAD_DESCRIPTOR__INIT;
	track_t track = PERFETTO__PROTOS__TRACK_DESCRIPTOR__INIT;
	const struct roster_thread *t = roster_thread(p->ro, thread);

	descriptor.has_pid = descriptor.has_tid = 1;
	descriptor.pid = (int32_t)t->pid;
	descriptor.tid = (int32_t)t->tid;
	descriptor.thread_name = (char *)(uintptr_t)t->name;
	track.uuid = track_uuid(TRACK_THREAD, thread);
	track.thread = &descriptor;
	send_track(p, &track);
	send_named_track(p, track_uuid(TRACK_WAITS, thread), track.uuid, "waits");
}

static void send_tracks(struct perfetto *p)
{
	for (uint32_t i = 0; i < p->ro->n_processes; i++)
		if (p->ro->processes[i].known)
			send_process(p, i);
	for (uint32_t i = 0; i < p->ro->n_threads; i++)
		if (p->ro->threads[i].known)
			send_thread(p, i);
	for (uint32_t i = 0; i < p->ro->locks.n; i++)
		if (p->ro->locks.items[i].known && p->ro->locks.items[i].kind == LOCK_GIL)
			send_named_track(p, track_uuid(TRACK_LOCK, i), track_uuid(TRACK_PROCESS, p->ro->locks.items[i].proc), p->ro->locks.items[i].name);
}

static void send_event(struct perfetto *p, uint64_t t_ns, uint64_t track, event_t *event, Perfetto__Protos__TrackEvent__Type type)
{
	packet_t packet = PERFETTO__PROTOS__TRACE_PACKET__INIT;

	event->has_type = event->has_track_uuid = 1;
	event->type = type;
	event->track_uuid = track;
	packet.has_timestamp = 1;
	packet.timestamp = t_ns;
	packet.track_event = event;
	send(p, &packet);
}

static void send_slice(struct perfetto *p, uint64_t t0_ns, uint64_t t1_ns, uint64_t track, event_t *event)
{
	event_t end = PERFETTO__PROTOS__TRACK_EVENT__INIT;

	send_event(p, t0_ns, track, event, PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_SLICE_BEGIN);
	send_event(p, t1_ns, track, &end, PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_SLICE_END);
}

static void set_name(struct perfetto *p, event_t *event, const char *name)
{
	event->has_name_iid = 1;
	event->name_iid = name_number(p, name);
}

static void set_stack(struct perfetto *p, event_t *event, uint64_t stack, uint64_t weight_ns)
{
	event->has_callstack_iid = callstack(p, stack);
	event->callstack_iid = stack;
	event->has_callstack_weight = event->has_callstack_iid && weight_ns;
	event->callstack_weight = (double)weight_ns;
}

static int on_interval(void *ctx, const struct interval *i)
{
	Perfetto__Protos__DebugAnnotation note = PERFETTO__PROTOS__DEBUG_ANNOTATION__INIT, *notes = &note;
	event_t event = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	struct perfetto *p = ctx;
	const char *call = i->nr >= 0 ? syscall_name(i->nr) : NULL;
	bool held = (i->flags & INTERVAL_F_HELD) && i->state != STATE_GIL;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", thread_state_names[i->state], held ? " holding the GIL" : "");
	set_name(p, &event, name);
	if (call) {
		note.has_name_iid = 1;
		note.name_iid = name_number(p, "system call");
		note.string_value = (char *)(uintptr_t)call;
		event.n_debug_annotations = 1;
		event.debug_annotations = &notes;
	}
	set_stack(p, &event, i->stack, 0);
	send_slice(p, i->t0_ns, i->t1_ns, track_uuid(TRACK_THREAD, i->thread), &event);
	return ferror(p->out) ? 1 : 0;
}

static int on_wait(void *ctx, const struct wait *w)
{
	Perfetto__Protos__DebugAnnotation note = PERFETTO__PROTOS__DEBUG_ANNOTATION__INIT, *notes = &note;
	event_t event = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	struct perfetto *p = ctx;
	char name[160];

	snprintf(name, sizeof(name), "waiting for %s", roster_lock(p->ro, roster_use(p->ro, w))->name);
	set_name(p, &event, name);
	note.has_name_iid = 1;
	note.name_iid = name_number(p, "ended");
	note.string_value = (char *)(uintptr_t)wait_end_names[w->end];
	event.n_debug_annotations = 1;
	event.debug_annotations = &notes;
	set_stack(p, &event, w->stack, w->t1_ns - w->t0_ns);
	send_slice(p, w->t0_ns, w->t1_ns, track_uuid(TRACK_WAITS, w->thread), &event);
	return ferror(p->out) ? 1 : 0;
}

/* Slices of one track must not overlap; where a hold begins is at times only a bound (HOLD_F_START_INFERRED). */
static int on_hold(void *ctx, const struct hold *h)
{
	event_t event = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	struct perfetto *p = ctx;
	uint64_t *end_ns = &p->lock_end_ns[h->lock], t0_ns = h->t0_ns > *end_ns ? h->t0_ns : *end_ns;
	char name[160];

	if (h->t1_ns < t0_ns)
		return 0;
	snprintf(name, sizeof(name), "%s (%u)", roster_thread(p->ro, h->thread)->name, roster_thread(p->ro, h->thread)->tid);
	set_name(p, &event, name);
	set_stack(p, &event, h->stack, 0);
	send_slice(p, t0_ns, h->t1_ns, track_uuid(TRACK_LOCK, h->lock), &event);
	*end_ns = h->t1_ns;
	return ferror(p->out) ? 1 : 0;
}

static int on_handoff(void *ctx, const struct handoff *h)
{
	event_t let_go = PERFETTO__PROTOS__TRACK_EVENT__INIT, got = PERFETTO__PROTOS__TRACK_EVENT__INIT;
	struct perfetto *p = ctx;
	uint64_t flow = ++p->flows;

	if (!h->t_release_ns || h->from == MODEL_NONE)
		return 0;
	set_name(p, &let_go, h->forced ? "let go (demanded)" : "let go");
	set_stack(p, &let_go, h->stack, 0);
	let_go.n_flow_ids = 1;
	let_go.flow_ids = &flow;
	send_event(p, h->t_release_ns, track_uuid(TRACK_WAITS, h->from), &let_go, PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_INSTANT);
	set_name(p, &got, "got");
	got.n_terminating_flow_ids = 1;
	got.terminating_flow_ids = &flow;
	send_event(p, h->t_acquire_ns, track_uuid(TRACK_WAITS, h->to), &got, PERFETTO__PROTOS__TRACK_EVENT__TYPE__TYPE_INSTANT);
	return ferror(p->out) ? 1 : 0;
}

static void done(struct perfetto *p)
{
	struct pool *all[] = {&p->names, &p->functions, &p->paths, &p->frames};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		pool_done(all[i]);
	free(p->stack_sent);
	free(p->lock_end_ns);
	vec_done(&p->buffer);
}

int export_perfetto(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	const struct reader_info *info = reader_info(r);
	struct roster ro;
	struct perfetto p = {.r = r, .ro = &ro, .out = out, .first = true};
	int err = roster_load(&ro, r);

	(void)options;
	p.stack_sent = xcalloc((size_t)info->stacks + 1, 1);
	p.lock_end_ns = xcalloc((size_t)info->locks + 1, sizeof(*p.lock_end_ns));
	if (!err) {
		send_tracks(&p);
		if (!(err = reader_intervals(r, MODEL_NONE, on_interval, &p)) && !(err = reader_waits(r, on_wait, &p)) &&
		    !(err = reader_holds(r, on_hold, &p)))
			err = reader_handoffs(r, on_handoff, &p);
	}
	if (err < 0)
		*why = *reader_failure(r);
	done(&p);
	roster_done(&ro);
	return err < 0 ? err : 0;
}
