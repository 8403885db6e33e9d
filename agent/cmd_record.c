/* gilscope record: options in, session.c does the work, a verdict out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/collector_choice.h"
#include "agent/command.h"
#include "agent/command_child.h"
#include "agent/output_file.h"
#include "agent/pid_list.h"
#include "agent/progress.h"
#include "agent/session.h"
#include "agent/stop.h"
#include "agent/ui.h"
#include "core/analysis/summary.h"
#include "core/util/duration.h"
#include "core/util/escape.h"
#include "core/util/human.h"
#include "core/util/number.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"
#include "viewer/text/text.h"

enum { KEY_FORCE = 0x100, KEY_COLLECTOR, KEY_CPU_LIMIT, KEY_NO_PYTHON, KEY_NATIVE, KEY_CHILDREN, KEY_NO_CHILDREN, KEY_INJECT, DEFAULT_HZ = 99, MAX_HZ = 10000 };

struct record_input {
	struct session_options session;
	struct pid_list pids;
	const char *collector; /* NULL: the best there is */
	char **command; /* NULL: none */
	bool no_children, inject;
	struct fail *why;
};

static const struct argp_option record_options[] = {
	{"pid", 'p', "PID", 0, "Process to record; repeat it, or separate several by commas", 0},
	{"children", KEY_CHILDREN, NULL, 0, "Record child processes too, those of now and those to come (default with a COMMAND)", 0},
	{"no-children", KEY_NO_CHILDREN, NULL, 0, "Leave child processes alone (default with -p)", 0},
	{"duration", 'd', "TIME", 0,
	 "Stop after TIME: 10, 10s, 500ms, 2m (default: until Ctrl-C or the end of PID or COMMAND)", 0},
	{"output", 'o', "FILE", 0, "Recording to write (default gilscope-PID-YYYYmmdd-HHMMSS.gilscope)", 0},
	{"rate", 'r', "HZ", 0, "Samples per second of each thread's CPU time, 0 for none (default 99); with the remote collector, looks per second (default 1000)", 0},
	{"force", KEY_FORCE, NULL, 0, "Replace FILE if it is an earlier recording (default: refuse)", 0},
	{"collector", KEY_COLLECTOR, "NAME", 0,
	 "How to obtain events: auto, bpf, signal or remote (default auto: the best that can be used here)", 0},
	{"cpu-limit", KEY_CPU_LIMIT, "PERCENT", 0,
	 "Most that gilscope itself may use of one CPU with the remote collector, which then looks less often (default 5)", 0},
	{"inject", KEY_INJECT, NULL, 0,
	 "With -p and Python 3.14 or newer, changes the process: a request is written into it, by which its Python loads the signal collector's "
	 "library and runs it from then on; it stays there until the process ends (default: nothing is changed)", 0},
	{"no-python", KEY_NO_PYTHON, NULL, 0,
	 "Do not look for an interpreter: thread states and locks only (default: look)", 0},
	{"native", KEY_NATIVE, NULL, 0,
	 "Record C functions too, by unwinding copies of C stacks; for the bpf collector (default: Python only)", 0},
	{"quiet", 'q', NULL, 0, "Print errors only (default: progress, then a verdict)", 0},
	{0}
};

static const char doc[] =
	"Start a command, or attach to running Python processes, record every wait for the GIL with the stacks of who waits and who "
	"holds, and print a verdict.\vRunning targets are not stopped, signalled or changed, unless --inject asks for it.\n\n"
	"Examples:\n"
	"  sudo gilscope record -- python3 app.py --workers 4\n"
	"  sudo gilscope record -p 4242 -d 10s\n"
	"  sudo gilscope record --children -p \"$(pgrep -o gunicorn)\" -o busy.gilscope\n"
	"  gilscope report busy.gilscope\n\n"
	"A COMMAND is watched from its first instruction, with all processes that it starts, until it ends; under sudo it runs as the "
	"user who called sudo. Its input and output are its own: what gilscope has to say goes to stderr. Ctrl-C reaches it as "
	"ever, SIGTERM is passed on.\n\n"
	"With -p, one Ctrl-C (SIGTERM, SIGHUP) ends the recording in good order, a second one aborts; the file then holds "
	"everything up to the last quarter of a second.\n\n"
	"Exit codes: 0 ok, 1 other failure, 2 usage, 3 could not attach, 4 the recording could not be written, "
	"77 cannot run on this machine or with these privileges. With a COMMAND: its own exit status (128 + N when signal N ended it), "
	"125 when gilscope failed, 126 when COMMAND cannot be run, 127 when it is not found.";

static const char args_doc[] = "-p PID\n-- COMMAND [ARG…]";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct record_input *in = state->input;
	uint64_t n;

	switch (key) {
	case 'p':
		return pid_list_add(&in->pids, arg, in->why);
	case 'd':
		if (duration_parse(arg, &in->session.duration_ns) || !in->session.duration_ns)
			return ui_usage(in->why, "could not use '%.64s' as a duration: not like 10, 2.5s, 500ms or 1m",
					arg);
		return 0;
	case 'o':
		if (!*arg)
			return ui_usage(in->why, "could not write to '': the file name is empty");
		in->session.output = arg;
		return 0;
	case 'r':
		if (number_parse(arg, 0, MAX_HZ, &n))
			return ui_usage(in->why, "could not use '%.64s' as a rate: not a number from 0 to %d", arg,
					MAX_HZ);
		in->session.sample_hz = in->session.look_hz = (uint32_t)n;
		return 0;
	case KEY_FORCE:
		in->session.overwrite = true;
		return 0;
	case KEY_COLLECTOR:
		if (!collector_name_known(arg))
			return ui_usage(in->why, "could not use '%.32s' as a collector: none of auto, bpf, signal, remote", arg);
		in->collector = arg;
		return 0;
	case KEY_CPU_LIMIT:
		if (number_parse(arg, 1, 100, &n))
			return ui_usage(in->why, "could not use '%.64s' as a limit: not a number of percent from 1 to 100", arg);
		in->session.cpu_limit = (double)n / 100;
		return 0;
	case KEY_CHILDREN:
	case KEY_NO_CHILDREN:
		in->session.children = key == KEY_CHILDREN;
		in->no_children = key == KEY_NO_CHILDREN;
		return 0;
	case KEY_INJECT:
		in->inject = true;
		return 0;
	case KEY_NO_PYTHON:
		in->session.no_python = true;
		return 0;
	case KEY_NATIVE:
		in->session.native = true;
		return 0;
	case 'q':
		in->session.quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		ui_usage(in->why, "could not use '%.64s': neither an option nor after '--'", arg);
		fail_hint(in->why, "To record a command: gilscope record -- COMMAND ARGS.  A running process: -p PID.");
		return EINVAL;
	case ARGP_KEY_END:
		if (in->command && in->pids.n)
			return ui_usage(in->why, "could not record a command and a running process together");
		if (in->inject && (in->command || in->session.no_python))
			return ui_usage(in->why, "could not use --inject %s", in->command ? "with a command: it is for a running process (-p PID)" :
					"with --no-python: it is the process' Python that loads the library");
		return in->command || in->pids.n ? 0 : ui_usage(in->why, "could not record: no process named (-p PID, or -- COMMAND)");
	}
	return ARGP_ERR_UNKNOWN;
}

static char *default_output(pid_t pid)
{
	time_t now = time(NULL);
	char stamp[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("gilscope-%d-%s.gilscope", pid, stamp);
}

static char *join_arguments(int argc, char **argv)
{
	struct strbuf line = STRBUF_INIT;

	for (int i = 0; i < argc; i++) {
		strbuf_adds(&line, i ? " " : "");
		escape_adds(&line, argv[i]);
	}
	return strbuf_steal(&line);
}

static void print_outcome(const struct session_options *o, const struct session_result *r)
{
	static const char *const ends[] = {
		[SESSION_END_DURATION] = "", [SESSION_END_STOPPED] = ", stopped by signal",
		[SESSION_END_TARGETS] = ", until the end", [SESSION_END_ERROR] = ", cut short",
	};
	autostrbuf shown = STRBUF_INIT;
	char bytes[HUMAN_LEN];

	escape_adds(&shown, o->output);
	ui_note("recorded %.2f s into %s (%s)%s%s", (double)r->total.elapsed_ns / 1e9, shown.s,
		human_bytes(bytes, r->total.db_bytes), ends[r->end],
		r->complete ? "" : "; the file is INCOMPLETE, it holds everything up to its last commit");
}

/* The verdict is a service: that it cannot be had does not make the recording fail. */
static void print_verdict(const struct session_options *o, FILE *out)
{
	const struct text_options text = {.color = ui_color(out), .columns = ui_columns(out)};
	autostrbuf shown = STRBUF_INIT;
	struct summary *summary;
	struct fail why = {0};

	if (summary_load(&summary, o->output, &why)) {
		ui_fail(&why);
		return;
	}
	text_verdict(out, summary, &text);
	summary_free(summary);
	escape_adds(&shown, o->output);
	fprintf(out, "\nMore: gilscope report %s\n", shown.s);
}

/* Once the recording has begun: what cannot be attached to needs no collector. */
static void say_collector(void *choice)
{
	ui_note("collector %s", ((const struct collector_choice *)choice)->said);
}

static int choose_collector(struct record_input *in, struct collector_choice *ret)
{
	struct session_options *o = &in->session;
	const struct collector_request request = {
		.start = in->command, .pids = in->pids.pids, .n_pids = in->pids.n, .sample_hz = o->sample_hz,
		.threads_only = o->no_python, .native = o->native, .follow_children = in->command ? !in->no_children : o->children,
		.inject = in->inject,
	};
	int err = collector_choose(ret, in->collector, &request, in->why);

	if (err)
		return err;
	o->collector = ret->ops;
	o->collector_choice = ret->said;
	if (!o->quiet) {
		o->begun = say_collector;
		o->begun_ctx = ret;
	}
	return 0;
}

/* Runs the session and says what there is to say, but for the verdict. */
static int run(struct record_input *in, struct session_result *ret)
{
	struct session_options *o = &in->session;
	struct progress progress;
	int err;

	progress_init(&progress);
	if (!o->quiet) {
		o->progress = progress_update;
		o->progress_ctx = &progress;
	}
	err = session_run(o, ret, in->why);
	progress_end(&progress);
	return err;
}

static int record_running(struct record_input *in)
{
	struct session_options *o = &in->session;
	struct session_result result = {0};
	int err;

	o->pids = in->pids.pids;
	o->n_pids = in->pids.n;
	o->stop = &stop_requested;
	stop_on_signals();
	err = run(in, &result);
	if (!o->quiet && result.file_created)
		print_outcome(o, &result);
	if (err)
		return ui_fail(in->why);
	if (!o->quiet)
		print_verdict(o, stdout);
	return EXIT_CODE_OK;
}

static int record_command(struct record_input *in, struct command_child *child)
{
	struct session_options *o = &in->session;
	struct session_result result = {0};
	struct fail not_run = {0};
	int err, code;

	o->pids = &child->pid;
	o->n_pids = 1;
	o->command = true;
	o->children = !in->no_children;
	o->release = command_child_release;
	o->release_ctx = child;
	err = run(in, &result);
	if (err)
		ui_fail(in->why); /* now: the command may run on for long */
	else if (result.end == SESSION_END_DURATION && !o->quiet)
		ui_note("the recording is over, waiting for the command to end");
	code = command_child_wait(child, in->command, &not_run);
	if (not_run.err) {
		ui_fail(&not_run);
		if (result.file_created)
			unlink(o->output); /* of nothing */
		return code;
	}
	if (!o->quiet && result.file_created)
		print_outcome(o, &result);
	if (!err && !o->quiet)
		print_verdict(o, stderr);
	return err ? COMMAND_EXIT_OURS : code;
}

/* Everything after "--" is the command's. */
static char **split_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		argv[i] = NULL;
		if (i + 1 == *argc) {
			*argc = i;
			return NULL;
		}
		*argc = i;
		return argv + i + 1;
	}
	return NULL;
}

static int prepare(struct record_input *in)
{
	struct session_options *o = &in->session;
	bool other;
	uid_t uid;
	gid_t gid;

	if (!o->collector->prepare)
		return 0;
	other = invoking_user(&uid, &gid);
	return o->collector->prepare(&o->prepared, other ? &uid : NULL, other ? &gid : NULL, in->why);
}

static void unprepare(struct record_input *in)
{
	if (in->session.prepared)
		in->session.collector->unprepare(in->session.prepared);
}

static int record(struct record_input *in)
{
	struct session_options *o = &in->session;
	struct collector_choice choice;
	struct command_child child;
	char *output = NULL;
	int code, err;

	if (choose_collector(in, &choice)) { /* before the command begins: what it is started with may depend on it */
		code = ui_fail(in->why);
		return in->command ? COMMAND_EXIT_OURS : code;
	}
	if (in->command && prepare(in)) {
		ui_fail(in->why);
		return COMMAND_EXIT_OURS;
	}
	err = in->command ? command_child_start(&child, in->command, &code, in->why) : 0;
	if (o->prepared)
		o->collector->forked(o->prepared);
	if (err) {
		unprepare(in);
		ui_fail(in->why);
		return code;
	}
	if (!o->output)
		o->output = output = default_output(in->command ? child.pid : in->pids.pids[0]);
	code = in->command ? record_command(in, &child) : record_running(in);
	unprepare(in);
	free(output);
	return code;
}

int cmd_record(int argc, char **argv)
{
	static const struct argp argp = {record_options, parse, args_doc, doc, ui_children};
	struct fail why = {0};
	struct record_input in = {.session = {.sample_hz = DEFAULT_HZ}, .why = &why};
	char *command_line = join_arguments(argc, argv);
	int code;

	in.command = split_command(&argc, argv);
	code = ui_parse(&argp, argc, argv, &in, &why);
	if (code && in.command)
		code = COMMAND_EXIT_OURS;
	if (!code) {
		in.session.command_line = command_line;
		code = record(&in);
	}
	free(command_line);
	return ui_finish(code);
}
