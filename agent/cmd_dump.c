/* gilscope dump: one snapshot of each process named, as text or JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command.h"
#include "agent/dump_take.h"
#include "agent/patience.h"
#include "agent/pid_list.h"
#include "agent/ui.h"
#include "core/target/target.h"
#include "core/util/xalloc.h"
#include "viewer/json/dump.h"
#include "viewer/text/dump.h"

enum { KEY_JSON = 0x100 };

struct dump_input {
	struct pid_list pids;
	bool json;
	struct fail *why;
};

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "Process to look at; repeat it, or separate several by commas (required)", 0},
	{"json", KEY_JSON, NULL, 0, "Print one JSON object per process (default: text)", 0},
	{0}
};

static const char doc[] =
	"Show one moment of running Python processes: who holds each GIL, who waits for it, and every thread's name, state and "
	"Python stack.\vNothing is stopped or changed, and no BPF is used: it needs only the right to read the "
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
	case ARGP_KEY_ARG:
		return ui_usage(in->why, "could not use '%.64s': dump takes processes only by -p PID", arg);
	case ARGP_KEY_END:
		return in->pids.n ? 0 : ui_usage(in->why, "could not dump: no process named (-p PID)");
	}
	return ARGP_ERR_UNKNOWN;
}

struct taking {
	pid_t pid;
	struct target *target;
	struct dump *dump;
	struct fail why;
};

static int take(void *taking)
{
	struct taking *t = taking;
	int r = target_open(&t->target, t->pid, NULL, &t->why);

	return r == 0 ? dump_take(&t->dump, t->target, &t->why) : r;
}

static int dump_one(const struct dump_input *in, pid_t pid)
{
	struct taking *t = xcalloc(1, sizeof(*t));
	int r, left;

	t->pid = pid;
	left = patience_do(take, t, PATIENCE_ATTACH_NS, NULL, &r);
	if (left)
		return patience_refuse(left, "read", (int)pid, in->why); /* t is that thread's */
	*in->why = t->why;
	if (r == 0 && in->json && json_dump(stdout, dump_snapshot(t->dump)) < 0)
		r = fail_set(in->why, -EIO, FAIL_OTHER, "could not write the snapshot: %s", strerror(errno));
	else if (r == 0 && !in->json)
		text_dump(stdout, dump_snapshot(t->dump), ui_color(stdout));
	dump_free(t->dump);
	target_free(t->target);
	free(t);
	return r;
}

int cmd_dump(int argc, char **argv)
{
	static const struct argp argp = {options, parse, NULL, doc, ui_children};
	struct fail why = {0};
	struct dump_input in = {.why = &why};
	int code = ui_parse(&argp, argc, argv, &in, &why);

	for (unsigned i = 0; code == 0 && i < in.pids.n; i++) {
		if (i > 0 && !in.json)
			putchar('\n');
		if (dump_one(&in, in.pids.pids[i]) < 0)
			code = ui_fail(&why);
	}
	return ui_finish(code);
}
