/* A recording from attach to close: the capture thread (the caller's) and the order of starting and stopping.
 *
 * Order of the end: collector stops (so nothing new comes), resolver finishes the names asked for, writer finishes the
 * timeline, store closes.  Each step runs whatever the one before it did. */
#include "agent/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/session_native.h"
#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/target/disposable.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"

#define POLL_MS 50
#define POLL_TREE_MS 20 /* some processes of a tree are gone soon: their names must be read before */
#define PROGRESS_EVERY_NS (500 * NS_PER_MS)
#define OWN_EVERY_NS NS_PER_S
#define RESOLVER_END_NS (2 * NS_PER_S) /* each place of a target's memory that does not answer costs a quarter of a second */
#define TO_WRITER_BYTES (8U << 20)
#define TO_RESOLVER_BYTES (4U << 20)
#define TO_NATIVE_BYTES (32U << 20)

void session_note(struct session *s, const char *fmt, ...)
{
	struct note_letter *l;
	va_list args;
	char text[512];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t len = strlen(text) + 1;

	l = xcalloc(1, sizeof(*l) + len);
	l->l = (struct letter){ .kind = LETTER_NOTE, .bytes = sizeof(*l) + len };
	l->t_ns = clock_now_ns();
	memcpy(l->text, text, len);
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

/* --- capture ------------------------------------------------------------------------------------------------------ */

static void on_note(void *ctx, const char *text)
{
	session_note(ctx, "%s", text);
}

static void target_ended(struct session *s, const struct ev_hdr *h)
{
	struct session_target *t = session_target_by_pid(s, h->pid);

	if (!t)
		return;
	if (h->kind == EV_EXEC)
		session_note(s, "pid %d replaced its program; what it did as Python ends there", (int)t->shown_pid);
	session_target_ended(t);
}

static void on_event(void *ctx, const struct ev_hdr *h)
{
	struct session *s = ctx;
	size_t n = batch_stride(h);

	if ((h->kind == EV_EXEC && !s->follow) || (h->kind == EV_EXIT && (h->flags & EV_F_PROCESS)))
		target_ended(s, h);
	else if (s->follow && (h->kind == EV_EXEC || h->kind == EV_FORK || h->kind == EV_THREAD))
		session_follow_event(s, h);
	vec_reserve(&s->batch, s->batch.n + n);
	memcpy(s->batch.items + s->batch.n, h, h->size);
	memset(s->batch.items + s->batch.n + h->size, 0, n - h->size);
	s->batch.n += n;
}

size_t session_count_events(const uint8_t *events, size_t bytes)
{
	size_t n = 0;

	for (size_t at = 0; at < bytes; n++)
		at += batch_stride((const struct ev_hdr *)(events + at));
	return n;
}

static void report_queue_loss(struct session *s, uint64_t now)
{
	struct ev_loss e = { .h = { .kind = EV_LOSS, .size = sizeof(e) }, .t0_ns = now, .t1_ns = now,
			     .count = atomic_exchange(&s->queue_lost, 0), .cls = EV_LOSS_QUEUE };

	if (!e.count)
		return;
	on_event(s, &e.h);
}

static void send_batch(struct session *s, uint64_t drained_ns)
{
	size_t bytes = sizeof(struct batch_letter) + s->batch.n;
	struct batch_letter *b = xmalloc(bytes);

	b->l = (struct letter){ .kind = LETTER_BATCH, .bytes = bytes };
	b->drained_ns = drained_ns;
	b->n = s->batch.n;
	memcpy(b->events, s->batch.items, s->batch.n);
	if (!mailbox_post(s->native ? &s->to_native : &s->to_writer, &b->l)) {
		atomic_fetch_add(&s->queue_lost, session_count_events(s->batch.items, s->batch.n));
		free(b);
	}
	vec_clear(&s->batch);
	report_queue_loss(s, drained_ns);
}

static int capture_once(struct session *s)
{
	uint64_t now = clock_now_ns(), settled;
	int err;

	settled = s->ops->settled_ns ? s->ops->settled_ns(s->collector) : now; /* before it is drained: all of that is there then */
	err = s->ops->poll(s->collector, s->follow ? POLL_TREE_MS : POLL_MS);
	send_batch(s, settled < now ? settled : now);
	return err;
}

/* A target that died while we attached to it left no event. */
static void notice_dead(struct session *s)
{
	pthread_mutex_lock(&s->swap);
	for (unsigned i = 0; i < s->n_targets; i++) {
		struct session_target *t = s->targets[i];

		if (t->target && !atomic_load(&t->ended) && !target_alive(t->target))
			session_target_ended(t);
	}
	pthread_mutex_unlock(&s->swap);
}

/* The same for one that replaced its program in the moment before arming. */
static void notice_replaced(struct session *s)
{
	for (unsigned i = 0; i < s->n_targets; i++) {
		const struct session_target *t = s->targets[i];
		struct ev_exec e = { .h = { .kind = EV_EXEC, .size = sizeof(e), .pid = t->pid, .tid = t->pid }, .t_ns = s->start_ns };

		if (t->target && !target_same_program(t->target) && target_alive(t->target))
			on_event(s, &e.h);
	}
}

static void tell_collector(struct session *s)
{
	for (unsigned i = 0; i < s->n_targets; i++) {
		struct session_target *t = s->targets[i];
		struct fail why = { 0 };
		int err;

		if (!atomic_load(&t->changed))
			continue;
		err = s->ops->add_target(s->collector, t->target, &why);
		if (err && err != -ESRCH)
			session_note(s, "%s", why.what);
		atomic_store(&t->changed, false);
	}
}

/* --- own cost and progress ------------------------------------------------------------------------------------------ */

static uint64_t file_bytes(const char *path)
{
	char wal[4096];
	struct stat st;
	uint64_t n = 0;

	if (!stat(path, &st))
		n = (uint64_t)st.st_size;
	if (snprintf(wal, sizeof(wal), "%s-wal", path) < (int)sizeof(wal) && !stat(wal, &st))
		n += (uint64_t)st.st_size;
	return n;
}

/* With the processes that read for us. */
static uint64_t own_cpu_ns(const struct session *s, const struct collector_cost *cost)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) + disposable_cpu_ns() + cost->cpu_ns + (s->native ? session_native_cpu_ns(s->native) : 0);
}

static void send_own(struct session *s, uint64_t now)
{
	struct own_letter *l = xcalloc(1, sizeof(*l));
	struct collector_cost cost = { 0 };
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	s->ops->cost(s->collector, &cost);
	l->l = (struct letter){ .kind = LETTER_OWN, .bytes = sizeof(*l) };
	l->own = (struct store_own){
		.t_ns = now,
		.cpu_ns = own_cpu_ns(s, &cost),
		.bpf_run_ns = cost.bpf_run_ns,
		.bpf_runs = cost.bpf_runs,
		.max_rss_bytes = (uint64_t)ru.ru_maxrss * 1024,
		.events = atomic_load(&s->events),
		.db_bytes = file_bytes(s->options->output),
	};
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

static void progress_now(struct session *s, struct session_progress *ret)
{
	*ret = (struct session_progress){
		.elapsed_ns = (s->end_ns ? s->end_ns : clock_now_ns()) - s->start_ns,
		.waits = atomic_load(&s->waits),
		.handoffs = atomic_load(&s->handoffs),
		.events = atomic_load(&s->events),
		.lost = atomic_load(&s->lost),
		.own_cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID),
		.db_bytes = file_bytes(s->options->output),
		.level = atomic_load(&s->level),
	};
}

static void show_progress(struct session *s)
{
	struct session_progress p;

	if (!s->options->progress)
		return;
	progress_now(s, &p);
	s->options->progress(s->options->progress_ctx, &p);
}

static int capture(struct session *s, struct session_result *ret, struct fail *why)
{
	uint64_t shown = 0, own = s->start_ns;
	int err;

	for (;;) {
		uint64_t now;

		tell_collector(s);
		err = capture_once(s);
		if (err) {
			ret->end = SESSION_END_ERROR;
			return fail_set(why, err, FAIL_OTHER, "could not go on reading events: %s", strerror(-err));
		}
		err = atomic_load(&s->store_err);
		if (err) {
			ret->end = SESSION_END_ERROR;
			fail_set(why, err, FAIL_DATA, "could not write recording '%s': %s", s->options->output,
				 store_error(s->store) ? store_error(s->store) : strerror(-err));
			return fail_hint(why, "What was recorded up to then is in the file.");
		}
		now = clock_now_ns();
		if (s->options->stop && *s->options->stop)
			ret->end = SESSION_END_STOPPED;
		else if (s->options->duration_ns && now - s->start_ns >= s->options->duration_ns)
			ret->end = SESSION_END_DURATION;
		else if (session_ended(s))
			ret->end = SESSION_END_TARGETS;
		else {
			if (now - shown >= PROGRESS_EVERY_NS) {
				shown = now;
				show_progress(s);
				notice_dead(s);
			}
			if (now - own >= OWN_EVERY_NS)
				own = now, send_own(s, now);
			continue;
		}
		return 0;
	}
}

/* --- start and end --------------------------------------------------------------------------------------------------- */

static void cpu_model(char *ret, size_t size)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(ret, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, size, "%s", colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

/* What of a target cannot be seen, said once in the recording.  Before the writer runs. */
static void note_limits(struct session *s, const struct session_target *t)
{
	const struct runtime *r = target_runtime(t->target);
	char text[256];

	if (!r)
		return;
	if (!target_knows_own_state(t->target)) {
		snprintf(text, sizeof(text), "pid %d: where its threads keep their Python state is not known (another libc, or a "
			 "high pthread key): waiters' own stacks are missing", (int)t->shown_pid);
		store_note(s->store, s->start_ns, text);
	}
	if (r->walk.tstate_frame == WALK_NO_FIELD) {
		snprintf(text, sizeof(text), "pid %d: PyPy's frames cannot be read from outside (its collector moves them, its compiler does "
			 "without them): waits and holds are by thread, without Python stacks", (int)t->shown_pid);
		store_note(s->store, s->start_ns, text);
	}
	if (r->free_threaded) {
		snprintf(text, sizeof(text), "pid %d: a free-threaded build; its GIL is switched %s", (int)t->shown_pid,
			 gil_choice_text(r->gil_choice, r->interps[r->n_interps - 1].gil != 0));
		store_note(s->store, s->start_ns, text);
	}
	if (r->more_interps) {
		snprintf(text, sizeof(text), "pid %d: only %u of its interpreters are followed", (int)t->shown_pid, r->n_interps);
		store_note(s->store, s->start_ns, text);
	}
}

static int create_store(struct session *s, struct fail *why)
{
	struct store_create_options how = { .overwrite = s->options->overwrite };
	struct utsname un;
	char model[256], kernel[256];
	int err;

	uname(&un);
	cpu_model(model, sizeof(model));
	snprintf(kernel, sizeof(kernel), "%s %s", un.sysname, un.release);
	struct store_meta meta = {
		.gilscope_version = GILSCOPE_VERSION, .collector = s->ops->name, .estimated = s->ops->estimates,
		.collector_choice = s->options->collector_choice, .host = un.nodename, .kernel = kernel,
		.cpu_model = model, .command_line = s->options->command_line,
		.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), .sample_hz = s->options->sample_hz,
		.start_mono_ns = s->start_ns, .start_real_ns = clock_read_ns(CLOCK_REALTIME),
	};
	err = store_create(&s->store, s->options->output, &how, &meta, why);
	if (err)
		return err;
	for (unsigned i = 0; i < s->n_targets; i++) {
		const struct target *t = s->targets[i]->target;
		const struct runtime *r = t ? target_runtime(t) : NULL;

		if (!t)
			continue;
		struct store_process p = {
			.pid = s->targets[i]->pid, .shown_pid = (uint32_t)s->targets[i]->shown_pid,
			.switch_interval_ns = r ? r->switch_interval_ns : 0,
			.name = target_name(t), .command = target_command(t), .runtime = r ? r->version : NULL,
			.free_threaded = r && r->free_threaded,
		};

		store_process(s->store, &p);
		note_limits(s, s->targets[i]);
	}
	return 0;
}

static int start(struct session *s, struct fail *why)
{
	struct collector_options options = { .sample_hz = s->options->sample_hz, .threads_only = s->options->no_python,
					     .follow_children = s->options->children, .native = s->options->native,
					     .look_hz = s->options->look_hz, .cpu_limit = s->options->cpu_limit, .emit = on_event, .note = on_note,
					     .ctx = s, .prepared = s->options->prepared };
	int err = session_open_targets(s, why);

	s->native = options.native ? session_native_new() : NULL;
	if (options.native && !s->native)
		return fail_set(why, -ENOMEM, FAIL_OTHER, "could not prepare for native frames: out of memory");
	if (!err)
		err = s->ops->start(&s->collector, &options, why);
	if (!err)
		err = session_attach_targets(s, why);
	if (!err && s->options->children)
		err = session_follow_start(s, why);
	if (err)
		return err;
	s->start_ns = clock_now_ns();
	err = create_store(s, why);
	if (err)
		return err;
	err = s->ops->arm(s->collector, why);
	if (err)
		return err;
	notice_replaced(s);
	s->writer_runs = !pthread_create(&s->writer, NULL, session_writer_main, s);
	s->resolver_runs = s->writer_runs && !pthread_create(&s->resolver, NULL, session_resolver_main, s);
	s->native_runs = s->native && s->writer_runs && !pthread_create(&s->native_thread, NULL, session_native_main, s);
	if (!s->resolver_runs || (s->native && !s->native_runs))
		return fail_set(why, -EAGAIN, FAIL_OTHER, "could not start a thread: %s", strerror(EAGAIN));
	if (s->follow)
		session_follow_existing(s); /* those forked since the last look, which the programs know already */
	if (s->options->begun)
		s->options->begun(s->options->begun_ctx);
	if (s->options->release)
		s->options->release(s->options->release_ctx);
	return 0;
}

static void finish_threads(struct session *s)
{
	if (s->collector) {
		s->ops->stop(s->collector);
		s->end_ns = clock_now_ns();
		if (s->writer_runs) {
			capture_once(s);
			send_batch(s, UINT64_MAX);
			send_own(s, s->end_ns);
		}
	}
	session_follow_stop(s);
	if (s->native_runs) {
		struct collector_cost cost = { 0 };

		mailbox_close(&s->to_native);
		pthread_join(s->native_thread, NULL);
		s->ops->cost(s->collector, &cost);
		session_native_summary(s, cost.native_skipped);
	}
	if (s->resolver_runs) {
		usleep(20000); /* let the writer ask for the last names */
		atomic_store(&s->names_until_ns, clock_now_ns() + RESOLVER_END_NS);
		mailbox_close(&s->to_resolver);
		pthread_join(s->resolver, NULL);
	}
	if (s->writer_runs) {
		mailbox_close(&s->to_writer);
		pthread_join(s->writer, NULL);
	}
}

static int finish(struct session *s, struct session_result *ret, bool complete, struct fail *why)
{
	struct fail store_why = { 0 };
	int err = 0;

	finish_threads(s);
	if (s->store) {
		progress_now(s, &ret->total);
		ret->file_created = true;
		err = store_close(s->store, complete, s->end_ns, &store_why);
		ret->complete = complete && !err;
		if (err && complete)
			*why = store_why;
	}
	if (s->collector)
		s->ops->free(s->collector);
	return complete ? err : 0;
}

static void session_free(struct session *s)
{
	session_follow_free(s);
	session_close_targets(s);
	pthread_mutex_destroy(&s->swap);
	vec_done(&s->batch);
	mailbox_done(&s->to_writer);
	mailbox_done(&s->to_resolver);
	mailbox_done(&s->to_native);
	session_native_free(s->native);
	free(s);
}

int session_run(const struct session_options *options, struct session_result *ret, struct fail *why)
{
	struct session *s = xcalloc(1, sizeof(*s));
	int err, close_err;

	s->options = options;
	s->ops = options->collector;
	*ret = (struct session_result){ .end = SESSION_END_ERROR };
	atomic_store(&s->level, 3);
	pthread_mutex_init(&s->swap, NULL);
	mailbox_init(&s->to_writer, TO_WRITER_BYTES);
	mailbox_init(&s->to_resolver, TO_RESOLVER_BYTES);
	mailbox_init(&s->to_native, TO_NATIVE_BYTES);
	err = start(s, why);
	if (!err)
		err = capture(s, ret, why);
	close_err = finish(s, ret, !err, why);
	session_free(s);
	return err ? err : close_err;
}
