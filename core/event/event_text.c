/* The text form of events, driven by one table of fields: a new event kind adds its rows here and nothing else. */
#include "core/event/event_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event/event_names.h"

enum { NR_FUTEX_X86_64 = 202, DEFAULT_PID = 1 };

enum field_type { DEC32, SIGNED32, DEC64, HEX64, TIME64, WORD32, TEXT, FRAMES, BUCKETS };

struct field {
	unsigned kind; /* 0: the header of each kind */
	const char *key;
	enum field_type type;
	size_t at;
	const struct event_word *words;
};

#define F(kind_, key, type, member) { EV_##kind_, key, type, offsetof(union event_any, member), NULL }
#define AGG(cls, name) \
	F(AGG, name "_n", DEC32, agg.n[cls]), F(AGG, name "_ns", TIME64, agg.ns[cls]), F(AGG, name "_held", TIME64, agg.held_ns[cls])
static const struct field fields[] = {
	{ 0, "tid", DEC32, offsetof(struct ev_hdr, tid), NULL },
	{ 0, "pid", DEC32, offsetof(struct ev_hdr, pid), NULL },
	{ 0, "flags", WORD32, offsetof(struct ev_hdr, flags), event_flag_words },
	F(OFF, "out", TIME64, off.t_out_ns), F(OFF, "in", TIME64, off.t_in_ns), F(OFF, "wake", TIME64, off.t_wake_ns),
	F(OFF, "waker", DEC32, off.waker_tid), F(OFF, "waker_pid", DEC32, off.waker_pid), F(OFF, "nr", SIGNED32, off.nr),
	F(OFF, "arg0", HEX64, off.arg0), { EV_OFF, "arg1", DEC32, offsetof(union event_any, off.arg1), NULL },
	F(OFF, "gil", HEX64, off.gil), F(OFF, "holder", HEX64, off.holder_ident), F(OFF, "sn", DEC64, off.switch_number),
	F(OFF, "in_sn", DEC64, off.in_number),
	F(OFF, "own", HEX64, off.own_stack), F(OFF, "holder_stack", HEX64, off.holder_stack),
	F(OFF, "waker_stack", HEX64, off.waker_stack), F(OFF, "cpu_out", DEC32, off.cpu_out), F(OFF, "cpu_in", DEC32, off.cpu_in),
	F(OFF, "parked", HEX64, off.parked), F(OFF, "owner", HEX64, off.lock_owner), F(OFF, "native", HEX64, off.native),
	{ EV_OFF, "as", WORD32, offsetof(union event_any, off.parked_as), event_parked_words },
	F(OFF, "context", DEC64, off.context),
	F(STACK, "key", HEX64, stack.key), F(STACK, "inner", DEC32, stack.inner), F(STACK, "frames", FRAMES, stack.n),
	F(SAMPLE, "t", TIME64, sample.t_ns), F(SAMPLE, "gil", HEX64, sample.gil), F(SAMPLE, "holder", HEX64, sample.holder_ident),
	F(SAMPLE, "stack", HEX64, sample.stack), F(SAMPLE, "ip", HEX64, sample.ip), F(SAMPLE, "nr", SIGNED32, sample.nr),
	F(SAMPLE, "cpu", DEC32, sample.cpu), F(SAMPLE, "native", HEX64, sample.native), F(SAMPLE, "context", DEC64, sample.context),
	F(NATIVE, "id", HEX64, native.id), F(NATIVE, "stack", HEX64, native.stack),
	F(THREAD, "t", TIME64, thread.t_ns), F(THREAD, "start", DEC64, thread.start_ns), F(THREAD, "ident", HEX64, thread.ident),
	F(THREAD, "comm", TEXT, thread.comm),
	F(EXIT, "t", TIME64, exit.t_ns), F(EXIT, "code", SIGNED32, exit.code),
	F(FORK, "t", TIME64, fork.t_ns), F(FORK, "child", DEC32, fork.child_pid), F(FORK, "child_tid", DEC32, fork.child_tid),
	F(EXEC, "t", TIME64, exec.t_ns), F(EXEC, "comm", TEXT, exec.comm),
	F(AGG, "t0", TIME64, agg.t0_ns), F(AGG, "t1", TIME64, agg.t1_ns), F(AGG, "gil", HEX64, agg.gil),
	AGG(EV_AGG_GIL, "gil"), AGG(EV_AGG_LOCK, "lock"), AGG(EV_AGG_BLOCKED, "blocked"), AGG(EV_AGG_SLEEP, "sleep"),
	AGG(EV_AGG_RUNNABLE, "runnable"), F(AGG, "hist", BUCKETS, agg.hist),
	F(LOSS, "t0", TIME64, loss.t0_ns), F(LOSS, "t1", TIME64, loss.t1_ns), F(LOSS, "count", DEC64, loss.count),
	{ EV_LOSS, "class", WORD32, offsetof(union event_any, loss.cls), event_loss_words },
	F(LEVEL, "t", TIME64, level.t_ns), F(LEVEL, "min_off", TIME64, level.min_off_ns),
	F(LEVEL, "stack_period", TIME64, level.stack_period_ns), F(LEVEL, "level", DEC32, level.level),
	F(HOLD, "t0", TIME64, hold.t0_ns), F(HOLD, "t1", TIME64, hold.t1_ns), F(HOLD, "gil", HEX64, hold.gil),
	F(LOOKS, "t0", TIME64, looks.t0_ns), F(LOOKS, "t1", TIME64, looks.t1_ns), F(LOOKS, "gil", HEX64, looks.gil),
	F(LOOKS, "n", DEC64, looks.n), F(LOOKS, "p50", TIME64, looks.p50_ns), F(LOOKS, "p99", TIME64, looks.p99_ns),
	F(LOOKS, "max", TIME64, looks.max_ns), F(LOOKS, "switches", DEC64, looks.switches), F(LOOKS, "seen", DEC64, looks.seen),
	{ EV_LEVEL, "reason", WORD32, offsetof(union event_any, level.reason), event_reason_words },
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* --- times -------------------------------------------------------------------------------------------------- */

static const struct { const char *name; uint64_t ns; } units[] = {
	{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 },
};

char *event_time_print(char ret[EVENT_TIME_LEN], uint64_t ns)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && ns; i++) {
		uint64_t whole = ns / units[i].ns, rest = ns % units[i].ns;
		int digits = 9 - 3 * (int)i;

		if (!whole)
			continue;
		if (!rest) {
			snprintf(ret, EVENT_TIME_LEN, "%" PRIu64 "%s", whole, units[i].name);
			return ret;
		}
		for (; rest % 10 == 0; rest /= 10)
			digits--;
		snprintf(ret, EVENT_TIME_LEN, "%" PRIu64 ".%0*" PRIu64 "%s", whole, digits, rest, units[i].name);
		return ret;
	}
	snprintf(ret, EVENT_TIME_LEN, "0");
	return ret;
}

static int parse_number(const char *text, size_t len, uint64_t *ret)
{
	char copy[32], *end;

	if (!len || len >= sizeof(copy) || text[0] == '-' || text[0] == '+' || text[0] == ' ')
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = 0;
	errno = 0;
	*ret = strtoull(copy, &end, 0);
	return *end || errno ? -EINVAL : 0;
}

int event_time_parse(const char *text, size_t len, uint64_t *ret_ns)
{
	size_t whole_len = strspn(text, "0123456789"), at;
	uint64_t whole, unit = 1, digit = 0, ns;

	whole_len = whole_len < len ? whole_len : len;
	if (parse_number(text, whole_len, &whole) && parse_number("0", 1, &whole))
		return -EINVAL;
	at = whole_len + (whole_len < len && text[whole_len] == '.');
	size_t digits = at > whole_len ? strspn(text + at, "0123456789") : 0;
	size_t unit_at = at + digits;
	if (!whole_len || unit_at > len)
		return -EINVAL;
	size_t unit_len = len - unit_at, i;
	for (i = 0; unit_len && i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].name) == unit_len && !memcmp(units[i].name, text + unit_at, unit_len))
			break;
	if (unit_len && i == sizeof(units) / sizeof(units[0]))
		return -EINVAL;
	unit = unit_len ? units[i].ns : 1;
	if (__builtin_mul_overflow(whole, unit, &ns))
		return -EINVAL;
	for (digit = unit / 10; digits; digits--, at++, digit /= 10)
		if (__builtin_add_overflow(ns, (uint64_t)(text[at] - '0') * digit, &ns) || (!digit && text[at] != '0'))
			return -EINVAL;
	*ret_ns = ns;
	return 0;
}

/* --- parsing ------------------------------------------------------------------------------------------------ */

static int complain(char *why, size_t len, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int complain(char *why, size_t len, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, len, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int parse_words(const struct event_word *words, const char *text, size_t len, uint64_t *ret)
{
	*ret = 0;
	if (!parse_number(text, len, ret))
		return 0;
	while (len) {
		const char *bar = memchr(text, '|', len);
		size_t n = bar ? (size_t)(bar - text) : len;
		const struct event_word *w = words;

		while (w->word && (strlen(w->word) != n || memcmp(w->word, text, n)))
			w++;
		if (!w->word)
			return -EINVAL;
		*ret |= w->value;
		text += n + (bar != NULL);
		len -= n + (bar != NULL);
	}
	return 0;
}

/* Numbers apart by , or : into a list; returns how many, -EINVAL. */
static int parse_list(const char *text, size_t len, uint64_t *ret, int max)
{
	int n = 0;

	while (len) {
		size_t one = strcspn(text, ",: \t#\n");
		bool minus = *text == '-';

		one = one < len ? one : len;
		if (n == max || parse_number(text + minus, one - minus, &ret[n]))
			return -EINVAL;
		if (minus)
			ret[n] = -ret[n];
		n++;
		text += one + (one < len);
		len -= one + (one < len);
	}
	return n;
}

static int parse_frames(struct ev_stack *s, const char *text, size_t len)
{
	uint64_t numbers[EV_MAX_FRAMES * 3];
	int n = parse_list(text, len, numbers, EV_MAX_FRAMES * 3);

	if (n < 0 || n % 3)
		return -EINVAL;
	s->n = (__u32)n / 3;
	for (__u32 i = 0; i < s->n; i++)
		s->frames[i] = (struct ev_frame){ .code = numbers[i * 3], .lasti = (__s32)numbers[i * 3 + 1],
						  .check = (__u32)numbers[i * 3 + 2] };
	return 0;
}

static int parse_value(const struct field *f, union event_any *e, const char *text, size_t len)
{
	char *at = (char *)e + f->at;
	uint64_t v = 0, list[EV_AGG_BUCKETS];
	bool minus = f->type == SIGNED32 && *text == '-';
	int n, err = 0;

	switch (f->type) {
	case TEXT:
		if (len > EV_COMM_LEN)
			return -EINVAL;
		memcpy(at, text, len);
		return 0;
	case FRAMES:
		return parse_frames(&e->stack, text, len);
	case BUCKETS:
		n = parse_list(text, len, list, EV_AGG_BUCKETS);
		for (int i = 0; i < n; i++)
			e->agg.hist[i] = (__u32)list[i];
		return n < 0 ? n : 0;
	case WORD32:
		err = parse_words(f->words, text, len, &v);
		break;
	case TIME64:
		err = event_time_parse(text, len, &v);
		break;
	case DEC32: case SIGNED32: case DEC64: case HEX64:
		err = parse_number(text + minus, len - minus, &v);
		break;
	}
	if (err)
		return err;
	if (f->type == DEC64 || f->type == HEX64 || f->type == TIME64) {
		memcpy(at, &v, sizeof(v));
	} else {
		__u32 v32 = (__u32)(minus ? -v : v);

		if (v > UINT32_MAX)
			return -EINVAL;
		memcpy(at, &v32, sizeof(v32));
	}
	return 0;
}

static const struct field *find_field(unsigned kind, const char *key, size_t len)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if ((!fields[i].kind || fields[i].kind == kind) && strlen(fields[i].key) == len && !memcmp(fields[i].key, key, len))
			return &fields[i];
	return NULL;
}

static __s32 default_nr(const struct ev_hdr *h)
{
	return h->kind == EV_OFF && (h->flags & EV_F_FUTEX_WAIT) ? NR_FUTEX_X86_64 : -1;
}

int event_parse(const char *line, union event_any *ret, char *why, size_t why_len)
{
	static const char space[] = " \t\r\n";
	size_t len;
	unsigned kind;
	bool nr_given = false;

	line += strspn(line, space);
	len = strcspn(line, " \t\r\n#");
	if (!len)
		return EVENT_NO_LINE;
	kind = event_kind(line, len);
	if (!kind)
		return complain(why, why_len, "no such event: %.*s", (int)len, line);
	memset(ret, 0, sizeof(*ret));
	ret->h = (struct ev_hdr){ .kind = (__u16)kind, .pid = DEFAULT_PID };
	for (line += len;; line += len) {
		const char *eq;
		const struct field *f;

		line += strspn(line, space);
		len = strcspn(line, " \t\r\n#");
		if (!len)
			break;
		eq = memchr(line, '=', len);
		f = eq ? find_field(kind, line, (size_t)(eq - line)) : NULL;
		if (!f)
			return complain(why, why_len, "no such field: %.*s", (int)len, line);
		if (parse_value(f, ret, eq + 1, len - (size_t)(eq + 1 - line)))
			return complain(why, why_len, "not a value: %.*s", (int)len, line);
		nr_given |= !strcmp(f->key, "nr");
	}
	ret->h.size = (__u16)(kind == EV_STACK ? offsetof(struct ev_stack, frames) + ret->stack.n * sizeof(struct ev_frame) :
			      kind == EV_NATIVE ? offsetof(struct ev_native, bytes) : event_size(kind));
	if (kind == EV_OFF && ret->off.waker_tid && !ret->off.waker_pid)
		ret->off.waker_pid = ret->h.pid;
	if (kind == EV_OFF && !nr_given)
		ret->off.nr = default_nr(&ret->h);
	if (kind == EV_SAMPLE && !nr_given)
		ret->sample.nr = -1;
	return 0;
}

/* --- printing ----------------------------------------------------------------------------------------------- */

struct out { char *text; size_t len, n; };

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct out *o, const char *fmt, ...)
{
	va_list args;
	int n;

	if (o->n + 1 >= o->len)
		return;
	va_start(args, fmt);
	n = vsnprintf(o->text + o->n, o->len - o->n, fmt, args);
	va_end(args);
	if (n > 0)
		o->n = o->n + (size_t)n < o->len ? o->n + (size_t)n : o->len - 1;
}

static void put_words(struct out *o, const struct event_word *words, uint32_t v, bool bits)
{
	const char *bar = "";

	for (const struct event_word *w = words; w->word; w++) {
		if (bits ? !(v & w->value) : v != w->value)
			continue;
		put(o, "%s%s", bar, w->word);
		v &= bits ? ~w->value : 0;
		bar = "|";
		if (!bits)
			return;
	}
	if (v || !*bar)
		put(o, "%s0x%x", bar, v);
}

static void put_value(struct out *o, const struct field *f, const union event_any *e)
{
	const char *at = (const char *)e + f->at;
	char time[EVENT_TIME_LEN];
	uint64_t v64 = 0;
	uint32_t v32;

	memcpy(&v32, at, sizeof(v32));
	if (f->type == DEC64 || f->type == HEX64 || f->type == TIME64)
		memcpy(&v64, at, sizeof(v64));
	put(o, " %s=", f->key);
	switch (f->type) {
	case DEC32: put(o, "%" PRIu32, v32); break;
	case SIGNED32: put(o, "%" PRId32, (int32_t)v32); break;
	case DEC64: put(o, "%" PRIu64, v64); break;
	case HEX64: put(o, "0x%" PRIx64, v64); break;
	case TIME64: put(o, "%s", event_time_print(time, v64)); break;
	case WORD32: put_words(o, f->words, v32, f->words == event_flag_words); break;
	case TEXT: /* blanks and control characters would end the field */
		for (size_t i = 0; i < EV_COMM_LEN && at[i]; i++)
			put(o, "%c", at[i] > ' ' && at[i] < 127 && at[i] != '#' ? at[i] : '?');
		break;
	case FRAMES:
		for (uint32_t i = 0; i < e->stack.n && i < EV_MAX_FRAMES; i++)
			put(o, "%s0x%llx:%d:%u", i ? "," : "", e->stack.frames[i].code, e->stack.frames[i].lasti,
			    e->stack.frames[i].check);
		break;
	case BUCKETS:
		for (uint32_t i = 0; i < EV_AGG_BUCKETS; i++)
			put(o, "%s%u", i ? "," : "", e->agg.hist[i]);
		break;
	}
}

static bool is_default(const struct field *f, const union event_any *e)
{
	static const char zeros[sizeof(e->agg.hist)];
	const char *at = (const char *)e + f->at;
	size_t n = f->type == DEC32 || f->type == SIGNED32 || f->type == WORD32 ? 4 : f->type == BUCKETS ? sizeof(e->agg.hist) :
		   f->type == TEXT ? 1 : f->type == FRAMES ? 4 : 8;
	int32_t nr;

	if (!strcmp(f->key, "nr")) {
		memcpy(&nr, at, sizeof(nr));
		return nr == default_nr(&e->h);
	}
	if (!strcmp(f->key, "waker_pid"))
		return e->off.waker_pid == (e->off.waker_tid ? e->h.pid : 0);
	if (!strcmp(f->key, "pid"))
		return e->h.pid == DEFAULT_PID;
	return !memcmp(at, zeros, n);
}

char *event_print(char *ret, size_t len, const struct ev_hdr *event)
{
	struct out o = { .text = ret, .len = len };
	union event_any e;

	if (!len)
		return ret;
	ret[0] = 0;
	if (!event_size_ok(event, event->size))
		return ret;
	memset(&e, 0, sizeof(e));
	memcpy(&e, event, event->size);
	put(&o, "%s", event_name(event->kind));
	for (size_t i = 0; i < N_FIELDS; i++)
		if ((!fields[i].kind || fields[i].kind == event->kind) && !is_default(&fields[i], &e))
			put_value(&o, &fields[i], &e);
	return ret;
}
