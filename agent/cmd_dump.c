/* gilscope dump: one snapshot of each process named, as text or JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command.h"
#include "agent/dump_take.h"
#include "agent/pid_list.h"
#include "agent/ui.h"
#include "core/target/disposable.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"
#include "viewer/json/dump.h"
#include "viewer/text/dump.h"

enum { KEY_JSON = 0x100, KEY_NATIVE };

#define TEXT_MAX (256 << 20) /* pages of it are used as it fills */

struct dump_input {
	struct pid_list pids;
	bool json, native;
	struct fail *why;
};

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "Process to look at; repeat it, or separate several by commas (required)", 0},
	{"json", KEY_JSON, NULL, 0, "Print one JSON object per process (default: text)", 0},
	{"native", KEY_NATIVE, NULL, 0, "Show C functions, too (default: Python only)", 0},
	{0}
};

static const char doc[] =
	"Show one moment of running Python processes: who holds each GIL, who waits for it, every thread's name, state and "
	"Python stack, and asyncio's tasks.\vNothing is stopped or changed, and no BPF is used: it needs only the right to read the "
	"process (the same user, or CAP_SYS_PTRACE).\n\n"
	"Examples:\n"
	"  gilscope dump -p 4242\n"
	"  gilscope dump -p 4242 --json | jq '.gils[0].holder'\n\n"
	"Exit codes: 0 ok, 1 other failure, 2 usage, 3 could not attach, 77 cannot run here (/proc of another pid namespace).";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump_input *in = state->input;

	switch (key) {
	case 'p':
		return pid_list_add(&in->pids, arg, in->why);
	case KEY_JSON:
		in->json = true;
		return 0;
	case KEY_NATIVE:
		in->native = true;
		return 0;
	case ARGP_KEY_ARG:
		return ui_usage(in->why, "could not use '%.64s': dump takes processes only by -p PID", arg);
	case ARGP_KEY_END:
		return in->pids.n ? 0 : ui_usage(in->why, "could not dump: no process named (-p PID)");
	}
	return ARGP_ERR_UNKNOWN;
}

enum { DUMP_DEADLOCK = 1 }; /* threads that wait for each other were found */

/* The snapshot is taken and written in a disposable child: reads there take no detour, so that it is of one moment, and memory that
 * does not answer stops the child only. */
struct taking { /* shared */
	struct target *target;
	bool json, native, color;
	int result;
	unsigned deadlocks;
	struct fail why;
	size_t n;
	char text[TEXT_MAX];
};

static void take(void *taking)
{
	struct taking *t = taking;
	FILE *out = fmemopen(t->text, sizeof(t->text), "w");
	struct dump *dump;

	t->result = out ? dump_take(&dump, t->target, t->native, &t->why) : fail_set(&t->why, -ENOMEM, FAIL_OTHER, "could not take a snapshot: out of memory");
	if (t->result)
		return;
	if (t->json)
		t->result = json_dump(out, dump_snapshot(dump));
	else
		text_dump(out, dump_snapshot(dump), t->color);
	if (t->result < 0 || fflush(out) || ferror(out))
		t->result = fail_set(&t->why, -EFBIG, FAIL_OTHER, "could not write the snapshot: it is larger than %d MB", TEXT_MAX >> 20);
	t->n = (size_t)ftell(out);
	t->deadlocks = dump_snapshot(dump)->n_deadlocks;
}

static int dump_target(const struct dump_input *in, struct target *target)
{
	struct taking *t = disposable_memory(sizeof(*t));
	int r;

	if (!t)
		return fail_set(in->why, -ENOMEM, FAIL_OTHER, "could not take a snapshot: out of memory");
	t->target = target;
	t->json = in->json;
	t->native = in->native;
	t->color = ui_color(stdout);
	r = target_read_apart(target, take, t);
	if (r)
		fail_set(in->why, r, FAIL_ATTACH, "could not read pid %d: %s", (int)target_pid(target),
			 r == -ETIMEDOUT ? "its memory did not answer" : strerror(-r));
	else if (t->result)
		*in->why = t->why;
	else if (fwrite(t->text, 1, t->n, stdout) != t->n)
		t->result = fail_set(in->why, -EIO, FAIL_OTHER, "could not write the snapshot: %s", strerror(errno));
	r = r ? r : t->result;
	if (r == 0 && t->deadlocks)
		r = DUMP_DEADLOCK;
	disposable_memory_free(t, sizeof(*t));
	return r;
}

static int dump_one(const struct dump_input *in, pid_t pid)
{
	struct target *target = NULL;
	int r = target_open(&target, pid, NULL, in->why);

	if (r == 0)
		r = dump_target(in, target);
	target_free(target);
	return r;
}

int cmd_dump(int argc, char **argv)
{
	static const struct argp argp = {options, parse, NULL, doc, ui_children};
	struct fail why = {0};
	struct dump_input in = {.why = &why};
	int code = ui_parse(&argp, argc, argv, &in, &why);
	bool deadlock = false;

	for (unsigned i = 0; code == 0 && i < in.pids.n; i++) {
		if (i > 0 && !in.json)
			putchar('\n');
		int r = dump_one(&in, in.pids.pids[i]);

		if (r < 0)
			code = ui_fail(&why);
		else if (r == DUMP_DEADLOCK)
			deadlock = true;
	}
	return ui_finish(code ? code : deadlock ? EXIT_CODE_FAILED : EXIT_CODE_OK);
}
