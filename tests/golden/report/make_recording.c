/* make_recording CASE.rows OUT.gilscope: a recording from a text file, through the store's own writer, so that report
 * tests need no target, no timeline and no C.  One row a line, "kind key=value …", # begins a comment:
 *   meta collector=bpf cpus=2 hz=99 kernel=6.18 host=box     end at=1s incomplete=1
 *   process id=0 pid=100 name=python3 command=app.py runtime=CPython\s3.11.2 interval=5ms
 *   thread id=0 proc=0 tid=100 comm=x name=MainThread main=1 from=0 to=1s   lock id=0 proc=0 kind=gil addr=0x1000 interp=0
 *   stack id=1 f=handle@/srv/app.py:63 f=run@/usr/lib/threading.py:982
 *   interval thread=0 state=gil t=0 for=10ms held=1 gc=1 inferred=1 nr=0
 *   wait thread=0 lock=0 t=1ms for=5ms stack=1 end=forced wake=50us credit=HOLDER,running,NR,STACK,5ms
 *   hold, handoff, sample, tally, loss, level, own, note …: see the functions.
 * Any row can say repeat=N every=TIME.  Times are durations since the start.  In text \xNN is a byte, \s a space,
 * and @N stands for N times the letter A. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store.h"
#include "core/util/duration.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"

enum { KEYS_MAX = 160, FRAMES_MAX = 4096 };
#define START_NS UINT64_C(1000000000000)

struct row {
	char *kind, *keys[KEYS_MAX], *values[KEYS_MAX];
	unsigned n;
	uint64_t shift_ns; /* of this repetition */
};

static struct store *store;
static const struct timeline_sink *sink;
static struct store_symbol symbols[FRAMES_MAX];
static uint64_t n_symbols, next_wait, end_ns;
static bool complete = true;
static unsigned line_number;

static _Noreturn void die(const char *what, const char *detail)
{
	fprintf(stderr, "make_recording: line %u: %s '%s'\n", line_number, what, detail);
	exit(1);
}

static const char *find(const struct row *r, const char *key, const char *otherwise)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!strcmp(r->keys[i], key))
			return r->values[i];
	return otherwise;
}

static uint64_t number(const struct row *r, const char *key, uint64_t otherwise)
{
	const char *value = find(r, key, NULL);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static uint64_t duration_of(const char *text)
{
	uint64_t ns;

	if (!strcmp(text, "0"))
		return 0;
	if (duration_parse(text, &ns))
		die("not a duration", text);
	return ns;
}

static uint64_t duration(const struct row *r, const char *key, uint64_t otherwise)
{
	const char *value = find(r, key, NULL);

	return value ? duration_of(value) : otherwise;
}

static uint64_t at(const struct row *r, const char *key)
{
	return START_NS + duration(r, key, 0) + r->shift_ns;
}

static unsigned word(const char *value, const char *const *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(value, words[i]))
			return i;
	die("not a known word", value);
}

static uint32_t flag(const struct row *r, const char *key, uint32_t bit)
{
	return number(r, key, 0) ? bit : 0;
}

/* Rows point into their texts until the store is closed. */
static vec(char *) kept;

/* In place: \xNN and \s; a new string for @N. */
static char *unescape(char *text)
{
	char *out = text;

	if (text[0] == '@' && text[1] >= '1' && text[1] <= '9') {
		size_t n = strtoul(text + 1, NULL, 10);
		char *many = xmalloc(n + 1);

		memset(many, 'A', n);
		many[n] = '\0';
		vec_push(&kept, many);
		return many;
	}
	for (char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] == 's') {
			*out++ = ' ';
			in++;
		} else if (in[0] == '\\' && in[1] == 'x' && in[2] && in[3]) {
			char hex[3] = {in[2], in[3], 0};

			*out++ = (char)strtoul(hex, NULL, 16);
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return text;
}

static void on_process(const struct row *r)
{
	uint32_t pid = (uint32_t)number(r, "pid", 100);

	sink->proc(sink->ctx, &(struct proc_row){.proc = (uint32_t)number(r, "id", 0), .pid = pid});
	store_process(store, &(struct store_process){
		.pid = pid, .shown_pid = pid, .switch_interval_ns = duration(r, "interval", 0),
		.name = find(r, "name", "python3"), .command = find(r, "command", ""), .runtime = find(r, "runtime", NULL),
	});
}

static void on_thread(const struct row *r)
{
	struct thread_row t = {
		.thread = (uint32_t)number(r, "id", 0), .proc = (uint32_t)number(r, "proc", 0),
		.tid = (uint32_t)number(r, "tid", 0), .start_ns = 1 + number(r, "id", 0), .first_ns = at(r, "from"),
		.last_ns = at(r, "to"), .is_main = number(r, "main", 0), .exited = number(r, "exited", 0),
	};

	snprintf(t.comm, sizeof(t.comm), "%s", find(r, "comm", "python3"));
	sink->thread(sink->ctx, &t);
	if (find(r, "name", NULL))
		store_thread_name(store, (uint32_t)number(r, "pid", 100), t.tid, t.start_ns, find(r, "name", NULL));
}

static void on_lock(const struct row *r)
{
	enum lock_kind kind = (enum lock_kind)word(find(r, "kind", "gil"), lock_kind_names, LOCK_KIND_N);
	bool gil = kind == LOCK_GIL;
	uint64_t addr = number(r, "addr", 0x1000);

	sink->lock(sink->ctx, &(struct lock_row){
		.lock = (uint32_t)number(r, "id", 0), .proc = (uint32_t)number(r, "proc", 0),
		.kind = kind, .addr = addr, .first_stack = number(r, "stack", 0),
	});
	if (!gil && (find(r, "name", NULL) || find(r, "inode", NULL)))
		store_lock(store, &(struct store_lock){
			.pid = (uint32_t)number(r, "pid", 100), .addr = addr, .kind = kind, .name = find(r, "name", NULL),
			.device = number(r, "inode", 0) ? 0x19 : 0, .inode = number(r, "inode", 0), .offset = number(r, "offset", 0),
		});
	if (gil)
		store_gil(store, &(struct store_gil){
			.pid = (uint32_t)number(r, "pid", 100), .addr = addr, .interp_id = (int64_t)number(r, "interp", 0),
		});
}

static void on_symbol(void *ctx, uint32_t frame_id, uint32_t pid, const struct ev_frame *frame)
{
	(void)ctx;
	(void)pid;
	if (frame->code)
		store_symbol(store, frame_id, &symbols[frame->code - 1]);
}

/* function@file:line; "?" is a frame that could not be resolved. */
static uint64_t add_symbol(char *text)
{
	char *file = *text ? strchr(text + 1, '@') : NULL, *line = strrchr(text, ':');

	if (n_symbols == FRAMES_MAX)
		die("too many frames", text);
	if (!strcmp(text, "?")) {
		symbols[n_symbols] = (struct store_symbol){.function = "?", .file = "?"};
		return ++n_symbols;
	}
	if (!file || !line || line < file)
		die("not function@file:line", text);
	*file = *line = '\0';
	symbols[n_symbols] = (struct store_symbol){
		.function = unescape(text), .file = unescape(file + 1), .line = (uint32_t)strtoul(line + 1, NULL, 10),
		.resolved = true,
	};
	return ++n_symbols;
}

static void on_stack(const struct row *r)
{
	struct ev_stack s = {
		.h = {.kind = EV_STACK, .pid = (uint32_t)number(r, "pid", 100), .flags = flag(r, "truncated", EV_F_TRUNCATED) |
		      flag(r, "torn", EV_F_TORN)},
		.key = number(r, "id", 0),
	};

	for (unsigned i = 0; i < r->n && s.n < EV_MAX_FRAMES; i++)
		if (!strcmp(r->keys[i], "f"))
			s.frames[s.n++] = (struct ev_frame){.code = add_symbol(r->values[i]), .check = 1};
	s.h.size = (__u16)(32 + s.n * sizeof(struct ev_frame));
	store_stack(store, &s, on_symbol, NULL);
}

static void on_interval(const struct row *r)
{
	struct interval i = {
		.thread = (uint32_t)number(r, "thread", 0), .t0_ns = at(r, "t"), .t1_ns = at(r, "t") + duration(r, "for", 0),
		.state = word(find(r, "state", "gil"), thread_state_names, STATE_N),
		.flags = flag(r, "held", INTERVAL_F_HELD) | flag(r, "gc", INTERVAL_F_GC) |
			 flag(r, "inferred", INTERVAL_F_INFERRED),
		.nr = (int32_t)strtol(find(r, "nr", "-1"), NULL, 10), .lock = (uint32_t)number(r, "lock", MODEL_NONE),
		.stack = number(r, "stack", 0),
	};

	sink->interval(sink->ctx, &i);
}

/* HOLDER,state,nr,stack,duration; HOLDER "-" is unknown. */
static void put_credit(const char *text, uint64_t wait)
{
	char holder[16], state[16], length[24];
	struct credit c = {.wait = wait};

	if (sscanf(text, "%15[^,],%15[^,],%" SCNd32 ",%" SCNu64 ",%23s", holder, state, &c.nr, &c.stack, length) != 5)
		die("not HOLDER,state,nr,stack,duration", text);
	c.holder = holder[0] == '-' ? MODEL_NONE : (uint32_t)strtoul(holder, NULL, 10);
	c.state = word(state, holder_state_names, HOLDER_STATE_N);
	c.ns = duration_of(length);
	sink->credit(sink->ctx, &c);
}

static void on_wait(const struct row *r)
{
	struct wait w = {
		.wait = next_wait++, .thread = (uint32_t)number(r, "thread", 0), .lock = (uint32_t)number(r, "lock", 0),
		.t0_ns = at(r, "t"), .t1_ns = at(r, "t") + duration(r, "for", 0), .stack = number(r, "stack", 0),
		.end = word(find(r, "end", "voluntary"), wait_end_names, WAIT_END_N), .sleeps = 1,
		.asleep_ns = duration(r, "for", 0), .wake_latency_ns = duration(r, "wake", 0), .waker = MODEL_NONE,
		.flags = flag(r, "inferred", WAIT_F_HOLDER_INFERRED) | flag(r, "carried", WAIT_F_STACK_CARRIED),
	};

	sink->wait(sink->ctx, &w);
	for (unsigned i = 0; i < r->n; i++)
		if (!strcmp(r->keys[i], "credit"))
			put_credit(r->values[i], w.wait);
}

static void on_hold(const struct row *r)
{
	sink->hold(sink->ctx, &(struct hold){
		.thread = (uint32_t)number(r, "thread", 0), .lock = (uint32_t)number(r, "lock", 0), .t0_ns = at(r, "t"),
		.t1_ns = at(r, "t") + duration(r, "for", 0), .blocked_ns = duration(r, "blocked", 0),
		.preempted_ns = duration(r, "preempted", 0), .stack = number(r, "stack", 0),
		.flags = flag(r, "forced", HOLD_F_FORCED) | flag(r, "gc", HOLD_F_GC),
	});
}

static void on_handoff(const struct row *r)
{
	sink->handoff(sink->ctx, &(struct handoff){
		.lock = (uint32_t)number(r, "lock", 0), .from = (uint32_t)number(r, "from", MODEL_NONE),
		.to = (uint32_t)number(r, "to", 0), .t_release_ns = at(r, "t"), .t_acquire_ns = at(r, "t"),
		.forced = number(r, "forced", 0), .stack = number(r, "stack", 0),
	});
}

static void on_sample(const struct row *r)
{
	sink->sample(sink->ctx, &(struct sample_row){
		.thread = (uint32_t)number(r, "thread", 0), .t_ns = at(r, "t"), .stack = number(r, "stack", 0),
		.state = word(find(r, "state", "gil"), thread_state_names, STATE_N),
		.flags = flag(r, "wants", SAMPLE_F_WANTS_GIL) | flag(r, "gc", SAMPLE_F_GC),
	});
}

static void on_tally(const struct row *r)
{
	struct tally t = {
		.thread = (uint32_t)number(r, "thread", 0), .t0_ns = at(r, "t"), .t1_ns = at(r, "t") + duration(r, "for", 0),
		.state = word(find(r, "state", "wait_gil"), thread_state_names, STATE_N),
		.lock = (uint32_t)number(r, "lock", MODEL_NONE), .n = number(r, "n", 0), .ns = duration(r, "ns", 0),
	};

	t.hist[number(r, "bucket", 0) % 16] = (uint32_t)t.n;
	sink->tally(sink->ctx, &t);
}

static void on_loss(const struct row *r)
{
	store_loss(store, &(struct ev_loss){
		.h = {.kind = EV_LOSS, .size = sizeof(struct ev_loss)}, .t0_ns = at(r, "t"), .t1_ns = at(r, "t"),
		.count = number(r, "n", 1), .cls = (uint32_t)number(r, "class", 0),
	});
}

static void on_level(const struct row *r)
{
	store_level(store, &(struct ev_level){
		.h = {.kind = EV_LEVEL, .size = sizeof(struct ev_level)}, .t_ns = at(r, "t"),
		.level = (uint32_t)number(r, "level", 3), .reason = (uint32_t)number(r, "reason", 0),
		.min_off_ns = duration(r, "min", 0),
	});
}

static void on_fork(const struct row *r)
{
	sink->process_event(sink->ctx, &(struct process_event){
		.proc = (uint32_t)number(r, "proc", 0), .t_ns = at(r, "t"), .kind = PROCESS_FORK,
		.other_pid = (uint32_t)number(r, "child", 0),
	});
}

static void on_own(const struct row *r)
{
	store_own(store, &(struct store_own){
		.t_ns = at(r, "t"), .cpu_ns = duration(r, "cpu", 0), .bpf_run_ns = duration(r, "bpf", 0),
		.bpf_runs = number(r, "runs", 0), .max_rss_bytes = number(r, "rss", 0), .events = number(r, "events", 0),
	});
}

static void on_note(const struct row *r)
{
	store_note(store, at(r, "t"), find(r, "text", ""));
}

static void on_end(const struct row *r)
{
	end_ns = at(r, "at");
	complete = !number(r, "incomplete", 0);
}

static const struct { const char *kind; void (*put)(const struct row *r); } kinds[] = {
	{"process", on_process}, {"thread", on_thread}, {"lock", on_lock}, {"stack", on_stack}, {"interval", on_interval},
	{"wait", on_wait}, {"hold", on_hold}, {"handoff", on_handoff}, {"sample", on_sample}, {"tally", on_tally},
	{"loss", on_loss}, {"level", on_level}, {"own", on_own}, {"note", on_note}, {"end", on_end}, {"fork", on_fork},
};

static void split(char *line, struct row *ret)
{
	char *rest = line, *token;

	*ret = (struct row){0};
	ret->kind = strsep(&rest, " \t\n");
	while ((token = strsep(&rest, " \t\n"))) {
		char *value = strchr(token, '=');

		if (!*token)
			continue;
		if (!value || ret->n == KEYS_MAX)
			die("not key=value, or too many", token);
		*value++ = '\0';
		ret->keys[ret->n] = token;
		ret->values[ret->n++] = strcmp(token, "f") ? unescape(value) : value;
	}
}

static void put_row(struct row *r)
{
	uint64_t n = number(r, "repeat", 1), every = duration(r, "every", 0);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, r->kind))
			continue;
		for (uint64_t k = 0; k < n; k++, r->shift_ns += every)
			kinds[i].put(r);
		return;
	}
	die("no such kind of row", r->kind);
}

static void create(const char *path, const struct row *r)
{
	struct fail why = {0};
	const struct store_meta meta = {
		.gilscope_version = "0.0.0-test", .collector = find(r, "collector", "bpf"), .host = find(r, "host", "box"),
		.kernel = find(r, "kernel", "6.18"), .cpu_model = find(r, "cpu", ""), .command_line = "",
		.cpus = (uint32_t)number(r, "cpus", 2), .sample_hz = (uint32_t)number(r, "hz", 99), .start_mono_ns = START_NS,
		.start_real_ns = UINT64_C(1700000000) * 1000000000,
	};

	if (store_create(&store, path, &(struct store_create_options){.overwrite = true}, &meta, &why))
		die(why.what, path);
	sink = store_sink(store);
}

int main(int argc, char **argv)
{
	FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
	struct fail why = {0};
	char *line = NULL;
	size_t cap = 0;

	if (!in)
		die("usage: make_recording CASE.rows OUT.gilscope", "");
	while (getline(&line, &cap, in) > 0) {
		struct row r;

		line_number++;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		vec_push(&kept, xstrdup(line));
		split(*vec_last(&kept), &r);
		if (!strcmp(r.kind, "meta"))
			create(argv[2], &r);
		else if (!store)
			die("meta must come first", r.kind);
		else
			put_row(&r);
	}
	fclose(in);
	free(line);
	if (!store)
		die("no meta row", argv[1]);
	if (store_close(store, complete, end_ns, &why))
		die(why.what, argv[2]);
	for (size_t i = 0; i < kept.n; i++)
		free(kept.items[i]);
	vec_done(&kept);
	return 0;
}
