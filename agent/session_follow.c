/* Children of targets, and programs that replace others.  The fork program in the kernel has made a child a target before it
 * runs; here it gets its names.  A program that has just begun is asked whether it is Python: soon after its exec, again when it
 * starts a thread (the first moment at which a GIL can be waited for), and in between after pauses that double, for ASK_FOR_NS.
 * Then, or when it ends, it counts as no Python; a thread that it starts later makes it be asked once more.
 *
 * Several followers, because one question takes up to 20 ms (core/interp reads again what is not consistent yet). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "agent/session_priv.h"
#include "core/base/clock.h"
#include "core/symbols/symbols.h"
#include "core/target/target.h"
#include "core/util/escape.h"
#include "core/util/number.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

#define FOLLOWERS 4
#define FIRST_ASK_NS (2 * NS_PER_MS) /* most children run another program within so long */
#define PAUSE_MIN_NS (4 * NS_PER_MS)
#define PAUSE_MAX_NS (500 * NS_PER_MS)
#define ASK_FOR_NS (10 * NS_PER_S)
#define LATE_GAP_NS NS_PER_S /* between questions that threads cause after that */
#define NAMES_TOLD 8

struct session_ask { /* under follow.mutex */
	uint64_t due_ns; /* 0: nothing to ask */
	uint64_t since_ns, asked_ns, pause_ns;
	bool asking, python, asked;
	bool found; /* its runtime, if not yet all of it: kept when a later look fails, as it does while it ends */
	char name[64]; /* of a program that is no Python */
	char refused[200]; /* why a Python cannot be recorded as one */
};

struct session_follow {
	struct session *s;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	pthread_t threads[FOLLOWERS];
	unsigned n_threads;
	vec(struct session_target *) due; /* those with due_ns, in no order */
	volatile sig_atomic_t stop;
	unsigned not_followed; /* children beyond the limits */
};

/* --- whom to ask when --------------------------------------------------------------------------------------------- */

/* With the mutex.  The earlier of two wishes counts. */
static void schedule(struct session_follow *f, struct session_target *t, uint64_t due_ns)
{
	if (!t->ask->due_ns)
		vec_push(&f->due, t);
	if (!t->ask->due_ns || due_ns < t->ask->due_ns)
		t->ask->due_ns = due_ns;
	pthread_cond_signal(&f->changed);
}

static struct session_ask *need_ask(struct session_target *t)
{
	if (!t->ask)
		t->ask = xcalloc(1, sizeof(*t->ask));
	return t->ask;
}

static void begin_asking(struct session_follow *f, struct session_target *t, uint64_t now)
{
	struct session_ask *a;

	pthread_mutex_lock(&f->mutex);
	a = need_ask(t);
	a->since_ns = now;
	a->pause_ns = PAUSE_MIN_NS;
	a->python = a->asked = a->found = false;
	a->refused[0] = '\0';
	schedule(f, t, now + FIRST_ASK_NS);
	pthread_mutex_unlock(&f->mutex);
}

static void new_thread(struct session_follow *f, struct session_target *t, uint64_t now)
{
	struct session_ask *a = t->ask;

	if (!a)
		return; /* named by the user, its Python is known */
	pthread_mutex_lock(&f->mutex);
	if (!a->python)
		schedule(f, t, now - a->since_ns < ASK_FOR_NS || now - a->asked_ns > LATE_GAP_NS ? now : a->asked_ns + LATE_GAP_NS);
	pthread_mutex_unlock(&f->mutex);
}

static void not_followed(struct session_follow *f, unsigned pid, const char *limit)
{
	if (!f->not_followed++)
		session_note(f->s, "pid %u and perhaps others are not recorded: %s", pid, limit);
}

static void new_child(struct session_follow *f, const struct ev_fork *e, uint64_t now)
{
	struct session *s = f->s;
	struct session_target *t = session_target_by_pid(s, e->child_pid);

	if (!(e->h.flags & EV_F_FOLLOWED)) {
		not_followed(f, e->child_pid, "more than 1024 processes at once");
		return;
	}
	if (t && !atomic_load(&t->ended))
		return; /* found by session_follow_existing */
	t = session_target_new(s, (pid_t)e->child_pid);
	if (!t) {
		not_followed(f, e->child_pid, "more than 65536 processes in one recording");
		return;
	}
	atomic_store(&t->forked_from, session_target_by_pid(s, e->h.pid));
	begin_asking(f, t, now);
}

/* All that will be known of a program that ends before it is asked. */
static void send_name(struct session *s, const struct session_target *t, const struct ev_exec *e)
{
	struct process_letter *l = xcalloc(1, sizeof(*l));

	escape_to(l->name, sizeof(l->name), e->comm, strnlen(e->comm, sizeof(e->comm)));
	l->l = (struct letter){ .kind = LETTER_PROCESS, .bytes = sizeof(*l) };
	l->process = (struct store_process){ .pid = t->pid, .shown_pid = (uint32_t)t->shown_pid, .name = l->name, .command = l->name };
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

void session_follow_event(struct session *s, const struct ev_hdr *h)
{
	struct session_follow *f = s->follow;
	struct session_target *t;
	uint64_t now = clock_now_ns();

	if (h->kind == EV_FORK) {
		new_child(f, (const struct ev_fork *)h, now);
		return;
	}
	t = session_target_by_pid(s, h->pid);
	if (!t)
		return;
	if (h->kind == EV_EXEC) {
		send_name(s, t, (const struct ev_exec *)h);
		atomic_store(&t->forked_from, NULL);
		begin_asking(f, t, now);
	} else if (h->tid != h->pid) {
		new_thread(f, t, now);
	}
}

/* --- asking --------------------------------------------------------------------------------------------------------- */

void session_send_process(struct session *s, const struct session_target *t, const struct target *target)
{
	const struct runtime *r = target_runtime(target);
	struct process_letter *l = xcalloc(1, sizeof(*l));

	snprintf(l->name, sizeof(l->name), "%s", target_name(target));
	snprintf(l->command, sizeof(l->command), "%s", target_command(target));
	if (r)
		snprintf(l->runtime, sizeof(l->runtime), "%s", r->version);
	l->l = (struct letter){ .kind = LETTER_PROCESS, .bytes = sizeof(*l) };
	l->process = (struct store_process){
		.pid = t->pid, .shown_pid = (uint32_t)t->shown_pid, .switch_interval_ns = r ? r->switch_interval_ns : 0,
		.name = l->name, .command = l->command, .runtime = r ? l->runtime : NULL,
		.free_threaded = r && r->free_threaded,
	};
	if (!mailbox_post(&s->to_writer, &l->l))
		free(l);
}

static void hand_over(struct session_target *t, const struct session_target *fresh)
{
	struct session_found *found = xcalloc(1, sizeof(*found)), *unused;

	*found = (struct session_found){ .target = fresh->target, .symbols = fresh->symbols };
	unused = atomic_exchange(&t->found, found);
	if (!unused)
		return;
	symbols_free(unused->symbols);
	target_free(unused->target);
	free(unused);
}

static bool is_ready(const struct target *target)
{
	const struct runtime *r = target_runtime(target);

	return r && target_knows_own_state(target) && r->n_interps && (r->interps[0].gil || r->free_threaded);
}

/* 0: nothing more to ask; 1: ask again. */
static int ask(struct session_follow *f, struct session_target *t, struct fail *why)
{
	struct session_target fresh = { .shown_pid = t->shown_pid };
	bool no_python = f->s->options->no_python, ready;
	int err = session_open_one(&fresh, no_python, why), told = 0;
	struct fail unused = { 0 };

	if (err == -ESRCH || (err && t->ask->found))
		return err != -ESRCH;
	if (!err)
		told = f->s->ops->add_target(f->s->collector, fresh.target, why);
	else if (session_open_one(&fresh, true, &unused))
		return 1;
	ready = !err && !told && (no_python || is_ready(fresh.target));
	pthread_mutex_lock(&f->mutex);
	t->ask->asked = true;
	t->ask->python = ready;
	t->ask->found |= !err;
	snprintf(t->ask->name, sizeof(t->ask->name), "%.63s", target_name(fresh.target));
	t->ask->refused[0] = '\0';
	if ((err && err != -ENOEXEC) || told)
		snprintf(t->ask->refused, sizeof(t->ask->refused), "%.199s", why->what);
	pthread_mutex_unlock(&f->mutex);
	session_send_process(f->s, t, fresh.target);
	hand_over(t, &fresh);
	return told == -ESRCH || ready ? 0 : 1;
}

/* With the mutex: the one that is due first, or NULL and how long to wait. */
static struct session_target *take_due(struct session_follow *f, uint64_t now, uint64_t *ret_wait_ns)
{
	size_t first = SIZE_MAX;
	struct session_target *t;

	for (size_t i = 0; i < f->due.n; i++) {
		t = f->due.items[i];
		if (!t->ask->asking && (first == SIZE_MAX || t->ask->due_ns < f->due.items[first]->ask->due_ns))
			first = i;
	}
	*ret_wait_ns = NS_PER_S;
	if (first == SIZE_MAX)
		return NULL;
	t = f->due.items[first];
	if (t->ask->due_ns > now) {
		*ret_wait_ns = t->ask->due_ns - now;
		return NULL;
	}
	f->due.items[first] = f->due.items[--f->due.n];
	t->ask->due_ns = 0;
	t->ask->asking = true;
	t->ask->asked_ns = now;
	return t;
}

static void ask_again(struct session_follow *f, struct session_target *t)
{
	struct session_ask *a = t->ask;
	uint64_t now = clock_now_ns();

	if (now - a->since_ns < ASK_FOR_NS)
		schedule(f, t, now + a->pause_ns);
	a->pause_ns = a->pause_ns * 2 < PAUSE_MAX_NS ? a->pause_ns * 2 : PAUSE_MAX_NS;
}

static void *follower_main(void *follow)
{
	struct session_follow *f = follow;

	pthread_mutex_lock(&f->mutex);
	while (!f->stop) {
		uint64_t now = clock_now_ns(), wait_ns;
		struct session_target *t = take_due(f, now, &wait_ns);
		struct timespec until = { (time_t)((now + wait_ns) / NS_PER_S), (long)((now + wait_ns) % NS_PER_S) };
		struct fail why = { 0 };
		int again;

		if (!t) {
			pthread_cond_timedwait(&f->changed, &f->mutex, &until);
			continue;
		}
		pthread_mutex_unlock(&f->mutex);
		again = atomic_load(&t->ended) ? 0 : ask(f, t, &why);
		pthread_mutex_lock(&f->mutex);
		t->ask->asking = false;
		if (again)
			ask_again(f, t);
	}
	pthread_mutex_unlock(&f->mutex);
	return NULL;
}

/* --- descendants that exist already ------------------------------------------------------------------------------- */

static bool read_parent(const char *pid, uint32_t *ret)
{
	char path[64], text[512], *end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')'); /* the name before it may hold anything */
	if (!end || strlen(end) < 5)
		return false;
	*ret = (uint32_t)strtoul(end + 4, NULL, 10);
	return true;
}

static void add_existing(struct session_follow *f, uint32_t pid, uint32_t parent)
{
	struct session *s = f->s;
	struct session_target *t = session_target_new(s, (pid_t)pid);
	struct fail why = { 0 };

	if (!t) {
		not_followed(f, pid, "more than 65536 processes in one recording");
		return;
	}
	if (s->writer_runs) { /* the fork program has seen it begin */
		atomic_store(&t->forked_from, session_target_by_pid(s, parent));
		begin_asking(f, t, clock_now_ns());
		return;
	}
	if (session_open_one(t, s->options->no_python, &why) &&
	    session_open_one(t, true, &why)) {
		session_target_ended(t);
		return;
	}
	pthread_mutex_lock(&f->mutex);
	need_ask(t)->asked = true;
	t->ask->since_ns = clock_now_ns();
	t->ask->pause_ns = PAUSE_MAX_NS;
	t->ask->python = target_runtime(t->target) != NULL;
	snprintf(t->ask->name, sizeof(t->ask->name), "%.63s", target_name(t->target));
	pthread_mutex_unlock(&f->mutex);
	if (s->ops->add_target(s->collector, t->target, &why)) {
		session_note(s, "%s", why.what);
		session_target_ended(t);
	}
}

static unsigned add_children(struct session_follow *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned added = 0;

	while (dir && (entry = readdir(dir))) {
		struct session_target *t, *up;
		uint32_t parent;
		uint64_t pid;

		if (number_parse(entry->d_name, 1, 1 << 22, &pid) || !read_parent(entry->d_name, &parent))
			continue;
		up = session_target_by_pid(f->s, parent);
		t = session_target_by_pid(f->s, (uint32_t)pid);
		if (!up || atomic_load(&up->ended) || t)
			continue;
		add_existing(f, (uint32_t)pid, parent);
		added++;
	}
	if (dir)
		closedir(dir);
	return added;
}

/* Until nothing new is found: what a target forks after it was added is a target by itself. */
void session_follow_existing(struct session *s)
{
	if (s->options->command)
		return;
	while (add_children(s->follow))
		;
}

/* --- start and end ---------------------------------------------------------------------------------------------------- */

/* Three descriptors a target. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int session_follow_start(struct session *s, struct fail *why)
{
	struct session_follow *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	raise_file_limit();
	f->s = s;
	s->follow = f;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->changed, &attr);
	pthread_condattr_destroy(&attr);
	session_follow_existing(s);
	while (f->n_threads < FOLLOWERS && !pthread_create(&f->threads[f->n_threads], NULL, follower_main, f))
		f->n_threads++;
	return f->n_threads ? 0 : fail_set(why, -EAGAIN, FAIL_OTHER, "could not start a thread: %s", strerror(EAGAIN));
}

/* How many programs were no Python, and which: one note for all of them. */
static void note_plain(struct session *s)
{
	char told[NAMES_TOLD][64];
	unsigned n = 0, n_told = 0, unasked = 0;
	struct strbuf names = STRBUF_INIT;

	for (unsigned i = 0; i < s->n_targets; i++) {
		const struct session_ask *a = s->targets[i]->ask;
		unsigned k = 0;

		if (!a || a->python || s->options->no_python)
			continue;
		if (a->refused[0])
			session_note(s, "%s; recorded without Python knowledge", a->refused);
		if (!a->asked) {
			unasked += !atomic_load(&s->targets[i]->forked_from);
			continue;
		}
		if (a->refused[0])
			continue;
		n++;
		while (k < n_told && strcmp(told[k], a->name))
			k++;
		if (k < n_told || n_told == NAMES_TOLD)
			continue;
		memcpy(told[n_told++], a->name, sizeof(a->name));
		strbuf_addf(&names, "%s%s", n_told > 1 ? ", " : "", a->name);
	}
	if (n)
		session_note(s, "%u of %u processes were no Python (%s%s), or not yet: recorded without Python knowledge", n,
			     (unsigned)s->n_targets, names.s, n_told == NAMES_TOLD ? ", …" : "");
	if (unasked)
		session_note(s, "%u processes ended before they could be asked for their Python: their names and GILs are missing", unasked);
	strbuf_done(&names);
}

void session_follow_stop(struct session *s)
{
	struct session_follow *f = s->follow;

	if (!f)
		return;
	pthread_mutex_lock(&f->mutex);
	f->stop = 1;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	for (unsigned i = 0; i < f->n_threads; i++)
		pthread_join(f->threads[i], NULL);
	f->n_threads = 0;
	note_plain(s);
	if (f->not_followed > 1)
		session_note(s, "%u processes in all were not recorded: too many at once", f->not_followed);
}

void session_follow_free(struct session *s)
{
	struct session_follow *f = s->follow;

	if (!f)
		return;
	for (unsigned i = 0; i < s->n_targets; i++)
		free(s->targets[i]->ask);
	vec_done(&f->due);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}
