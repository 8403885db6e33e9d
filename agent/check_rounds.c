/* See check_rounds.h. */
#include "agent/check_rounds.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/check_page.h"
#include "agent/check_run.h"
#include "agent/output_file.h"
#include "agent/stop.h"
#include "agent/ui.h"
#include "core/base/clock.h"
#include "core/util/escape.h"
#include "core/util/file.h"
#include "core/util/human.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

enum { LOG_TAIL = 2000, STATUS_OURS = 125, ROUND_AGAIN = ROUNDS_STOPPED + 1 };

struct rounds {
	const struct check_rounds_options *o;
	char *directory;
	uint64_t state; /* of the random numbers */
	unsigned spare; /* disturbed rounds that may still be run again */
	struct fail *why;
};

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The recorder gives up root for the command, so what the command writes to belongs to who called sudo. */
static int give(const char *path, struct fail *why)
{
	uid_t uid;
	gid_t gid;

	if (invoking_user(&uid, &gid) && lchown(path, uid, gid) < 0)
		return fail_set(why, -errno, FAIL_OTHER, "could not give a directory to who called sudo: %s", strerror(errno));
	return 0;
}

static int make_directory(struct rounds *s)
{
	const char *tmp = getenv("TMPDIR");
	autostrbuf shown = STRBUF_INIT;

	if (!s->o->keep) {
		s->directory = xasprintf("%s/gilscope-check-XXXXXX", tmp && *tmp ? tmp : "/tmp");
		if (mkdtemp(s->directory))
			return give(s->directory, s->why);
	} else {
		s->directory = xstrdup(s->o->keep);
		if (!mkdir(s->directory, 0700))
			return give(s->directory, s->why);
		if (errno == EEXIST)
			return 0;
	}
	escape_adds(&shown, s->directory);
	fail_set(s->why, -errno, FAIL_OTHER, "could not make the directory '%s': %s", shown.s, strerror(errno));
	free(s->directory);
	s->directory = NULL;
	return s->why->err;
}

/* The end of what a run printed, for whoever has to find out why it failed. */
static void show_log(const char *log)
{
	autostrbuf shown = STRBUF_INIT;
	char text[LOG_TAIL + 1];
	FILE *f = fopen(log, "r");
	size_t n;

	if (!f)
		return;
	if (fseek(f, -LOG_TAIL, SEEK_END) < 0)
		rewind(f);
	n = fread(text, 1, LOG_TAIL, f);
	fclose(f);
	if (!n)
		return;
	ui_note("the end of what it printed:");
	for (char *line = text, *end = text + n; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t length = (size_t)((stop ? stop : end) - line);

		strbuf_adds(&shown, "  | ");
		escape_add(&shown, line, length);
		strbuf_addc(&shown, '\n');
		line += length + 1;
	}
	fputs(shown.s, stderr);
}

/* With what SQLite keeps beside one that was cut off. */
static void remove_recording(const char *path)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		autofree char *file = xasprintf("%s%s", path, suffixes[i]);

		unlink(file);
	}
}

static int say_failed(struct rounds *s, const char *what, int status, const char *log)
{
	show_log(log);
	if (status == STATUS_OURS && !check_machine_can_record(s->o->recorder)) {
		fail_set(s->why, -EPERM, FAIL_MACHINE, "could not record the %s command: this machine or these privileges do not allow it", what);
		return fail_hint(s->why, "Run 'gilscope doctor': it says what is missing.");
	}
	if (status == STATUS_OURS)
		return fail_set(s->why, -EIO, FAIL_OTHER, "could not record the %s command (status %d)", what, status);
	if (status > 128 && status < 128 + NSIG)
		return fail_set(s->why, -ECANCELED, FAIL_OTHER, "could not compare: the %s command was ended by signal %d (%s)", what, status - 128,
				strsignal(status - 128));
	return fail_set(s->why, -ECANCELED, FAIL_OTHER, "could not compare: the %s command ended with status %d", what, status);
}

/* One run of a round, and where it leaves what it makes. */
struct run {
	bool head, begun; /* begun: what lies there is its own */
	char *recording, *log, *marks;
	struct conditions_shares conditions;
};

static void name_run(const struct rounds *s, struct run *ret, bool head, bool counts, unsigned round)
{
	autofree char *name = xasprintf("%s/%s%03u-%s", s->directory, counts ? "round" : "warmup", round + 1, head ? "head" : "base");

	*ret = (struct run){.head = head, .recording = xasprintf("%s.gilscope", name), .log = xasprintf("%s.log", name), .marks = xasprintf("%s.marks", name)};
}

static int run_command(struct rounds *s, struct run *r)
{
	const char *what = r->head ? "head" : "base", *command = r->head ? s->o->head_command : s->o->base_command;
	struct check_run_options o = {.recorder = s->o->recorder, .command = command, .recording = r->recording, .log = r->log, .marks = r->marks};
	struct conditions before, after;
	int status = 0, err = 0;

	if (mkdir(r->marks, 0700) < 0)
		return fail_set(s->why, -errno, FAIL_OTHER, "could not make a directory for marks: %s", strerror(errno));
	r->begun = true;
	err = give(r->marks, s->why);
	conditions_read(&before);
	if (!err)
		err = check_run(&o, &status, s->why);
	conditions_read(&after);
	r->conditions = conditions_between(&before, &after);
	return !err && status ? say_failed(s, what, status, r->log) : err;
}

static int read_run(struct rounds *s, const struct run *r, struct check_runs *runs)
{
	size_t i = runs->n;
	int err = marks_read(&runs->marks[i], r->marks, s->why);
	double ops = s->o->ops > 0 ? s->o->ops : (double)runs->marks[i].ops;

	if (!err)
		err = metrics_of_recording(&runs->metrics[i], r->recording, ops, s->why);
	if (err)
		return err;
	runs->conditions[i] = r->conditions;
	runs->n++;
	return check_page_add(s->o->page, r->recording, r->head, ops, s->why);
}

static void end_run(struct run *r, bool keep)
{
	if (r->begun && !keep) {
		remove_recording(r->recording);
		unlink(r->log);
	}
	if (r->begun)
		marks_remove(r->marks);
	free(r->recording);
	free(r->log);
	free(r->marks);
}

static void drop_last(struct check_runs *runs, size_t n)
{
	while (runs->n > n)
		metrics_done(&runs->metrics[--runs->n]);
}

static void set_aside(struct rounds *s, const struct run *runs, unsigned n, struct check_runs *head)
{
	struct conditions_shares *worst = &head->worst_again;
	double steal = 0, throttled = 0;
	char a[HUMAN_LEN], b[HUMAN_LEN];

	for (unsigned i = 0; i < n; i++) {
		steal = fmax(steal, runs[i].conditions.steal);
		throttled = fmax(throttled, runs[i].conditions.throttled);
	}
	worst->steal = fmax(worst->steal, steal);
	worst->throttled = fmax(worst->throttled, throttled);
	head->again++;
	s->spare--;
	ui_note("a round is run again: a run lost %s of the CPU time to other virtual machines (steal), %s to a CPU quota", human_pct(a, steal, 1),
		human_pct(b, throttled, 1));
}

/* head NULL: a warm-up, of which nothing is kept.  ROUND_AGAIN: it was disturbed, nothing of it counts. */
static int run_round(struct rounds *s, unsigned round, struct check_runs *base, struct check_runs *head)
{
	size_t whole = head ? head->n : 0;
	bool head_first = next_random(&s->state) & 1, disturbed = false;
	struct run runs[2];
	unsigned n = 0;
	int err = 0;

	for (int half = 0; half < 2 && !err; half++) {
		bool is_head = (half == 0) == head_first;

		if (!is_head && !s->o->base_command)
			continue;
		name_run(s, &runs[n], is_head, head != NULL, round);
		err = run_command(s, &runs[n]);
		disturbed |= conditions_disturbed(&runs[n++].conditions, &s->o->disturbed);
	}
	if (!err && head && disturbed && s->spare) {
		set_aside(s, runs, n, head);
		err = ROUND_AGAIN;
	}
	for (unsigned i = 0; i < n && !err && head; i++)
		err = read_run(s, &runs[i], runs[i].head ? head : base);
	for (unsigned i = 0; i < n; i++)
		end_run(&runs[i], s->o->keep && head && err != ROUND_AGAIN);
	if (err && head) {
		drop_last(head, whole);
		drop_last(base, s->o->base_command ? whole : 0);
	}
	return err;
}

static void say_round(const struct rounds *s, unsigned round, const struct check_runs *base, const struct check_runs *head)
{
	char a[HUMAN_LEN], b[HUMAN_LEN];
	const struct run_metrics *x = base->n ? &base->metrics[base->n - 1] : NULL, *y = &head->metrics[head->n - 1];

	if (x)
		ui_note("round %u of %u: base waits %s of %.2f s, head %s of %.2f s", round + 1, s->o->rounds,
			human_pct(a, x->known[METRIC_WAIT_RATIO] ? x->value[METRIC_WAIT_RATIO] : 0, 1), x->duration_s,
			human_pct(b, y->known[METRIC_WAIT_RATIO] ? y->value[METRIC_WAIT_RATIO] : 0, 1), y->duration_s);
	else
		ui_note("round %u of %u: waits %s of %.2f s", round + 1, s->o->rounds,
			human_pct(b, y->known[METRIC_WAIT_RATIO] ? y->value[METRIC_WAIT_RATIO] : 0, 1), y->duration_s);
}

int check_rounds(const struct check_rounds_options *o, struct check_runs *base, struct check_runs *head, struct fail *why)
{
	struct rounds s = {.o = o, .state = o->seed, .spare = (o->rounds + 1) / 2, .why = why};
	int err = make_directory(&s);

	for (unsigned i = 0; i < o->warmup && !err; i++) {
		ui_note("warm-up %u of %u", i + 1, o->warmup);
		err = run_round(&s, i, NULL, NULL);
	}
	for (unsigned i = 0; i < o->rounds && !err;) {
		err = run_round(&s, i, base, head);
		if (!err)
			say_round(&s, i++, base, head);
		else if (err == ROUND_AGAIN)
			err = 0;
	}
	if (s.directory && !o->keep)
		rmdir(s.directory);
	free(s.directory);
	return err;
}

void check_runs_done(struct check_runs *r)
{
	drop_last(r, 0);
}
