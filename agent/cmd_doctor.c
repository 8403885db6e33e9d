/* gilscope doctor: runs the check tables and prints what it found, in the order a person would fix it. */
#include <stdarg.h>
#include <string.h>

#include "agent/collector_choice.h"
#include "agent/command.h"
#include "agent/doctor.h"
#include "agent/pid_list.h"
#include "agent/ui.h"
#include "core/util/escape.h"

struct doctor_input {
	struct pid_list pids;
	bool verbose;
	struct fail *why;
};

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "Also check this process; repeat it, or separate several by commas (default: none)", 0},
	{"verbose", 'v', NULL, 0, "Say for every check why it matters (default: for what does not pass)", 0},
	{0}
};

static const char doc[] =
	"Say whether recording would work on this machine, with these privileges and on this process, and for "
	"each thing that does not: why it matters and the one line to paste.\vExamples:\n"
	"  gilscope doctor\n"
	"  sudo gilscope doctor -p 4242\n\n"
	"Exit codes: 0 recording would work, 2 usage, 3 the process is the problem, 77 this machine or these "
	"privileges are.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor_input *in = state->input;

	switch (key) {
	case 'p':
		return pid_list_add(&in->pids, arg, in->why);
	case 'v':
		in->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		return ui_usage(in->why, "could not use '%.64s': doctor takes processes only by -p PID", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

void finding_set(struct finding *f, enum finding_level level, const char *fmt, ...)
{
	va_list args;

	f->level = level;
	va_start(args, fmt);
	vsnprintf(f->found, sizeof(f->found), fmt, args);
	va_end(args);
}

static void print_finding(const struct check *c, const struct finding *f, bool verbose)
{
	static const struct { const char *word, *color; } levels[] = {
		[FINDING_OK] = {"ok", "\033[32m"},
		[FINDING_NOTE] = {"note", "\033[36m"},
		[FINDING_WARN] = {"warn", "\033[33m"},
		[FINDING_FAIL] = {"FAIL", "\033[1;31m"},
		[FINDING_SKIP] = {"-", ""},
	};
	const char *color = ui_color(stdout) ? levels[f->level].color : "", *plain = *color ? "\033[0m" : "";
	const char *paste = f->level == FINDING_OK ? NULL : f->paste[0] ? f->paste : c->paste;
	static char last_paste[sizeof(f->paste)]; /* one missing right fails several checks */
	char text[2 * sizeof(f->hint)];

	escape_to(text, sizeof(text), f->found, strlen(f->found));
	printf("  %s%-4s%s  %-20s %s\n", color, levels[f->level].word, plain, c->what, text);
	if (f->level == FINDING_OK && !verbose)
		return;
	if (c->why && f->level != FINDING_SKIP)
		printf("        why: %s\n", c->why);
	if (f->hint[0]) {
		escape_to(text, sizeof(text), f->hint, strlen(f->hint));
		printf("        hint: %s\n", text);
	}
	if (!paste || f->level == FINDING_NOTE || f->level == FINDING_SKIP)
		return;
	printf("        do:  %s\n", strcmp(paste, last_paste) ? paste : "the same");
	snprintf(last_paste, sizeof(last_paste), "%s", paste);
}

/* Returns how many failed.  Target checks build on each other: after a failure the rest is moot. */
static unsigned run_checks(struct doctor *d, const struct check *checks, bool chained, bool verbose)
{
	unsigned failed = 0;

	for (const struct check *c = checks; c->what; c++) {
		struct finding f = {0};

		if (chained && failed)
			finding_set(&f, FINDING_SKIP, "not tried");
		else
			c->probe(d, c, &f);
		print_finding(c, &f, verbose);
		failed += f.level == FINDING_FAIL;
	}
	return failed;
}

/* What record would take, by the same table. */
static bool print_collectors(const struct doctor_input *in)
{
	const struct collector_request running = {.pids = in->pids.pids, .n_pids = in->pids.n, .sample_hz = 99};
	const struct collector_request starting = {.start = true, .sample_hz = 99, .follow_children = true};
	const char *attach = NULL, *start = NULL;

	puts("\nCollectors, the best first");
	for (const struct collector_offer *o = collector_offers; o->name; o++) {
		struct fail why = {0}, why_start = {0};
		bool can_attach = !collector_offer_usable(o, &running, &why), can_start = !collector_offer_usable(o, &starting, &why_start);

		attach = attach ? attach : can_attach ? o->name : NULL;
		start = start ? start : can_start ? o->name : NULL;
		printf("  %-4s  %-20s %s; sees %s\n", can_attach || can_start ? "ok" : "-", o->name, o->needs, o->sees);
		if (!can_attach && !o->start_only)
			printf("        not here: %s\n", why.what);
		else if (!can_start)
			printf("        not here: %s\n", why_start.what);
	}
	printf("  record -p PID would use %s, record -- COMMAND %s.\n", attach ? attach : "none", start ? start : "none");
	return attach || start;
}

static int examine(const struct doctor_input *in)
{
	unsigned machine, targets = 0;
	bool possible;
	struct doctor d;

	doctor_init(&d, 0);
	puts("Machine");
	machine = run_checks(&d, machine_checks, false, in->verbose);
	puts("\nPrivileges");
	machine += run_checks(&d, rights_checks, false, in->verbose);
	possible = print_collectors(in);
	for (unsigned i = 0; i < in->pids.n; i++) {
		printf("\nProcess %d\n", in->pids.pids[i]);
		doctor_init(&d, in->pids.pids[i]);
		targets += run_checks(&d, target_checks, true, in->verbose) > 0;
		doctor_done(&d);
	}
	if (machine && possible)
		printf("\nRecording would work, but not with the best collector: %u thing%s to fix for that, marked FAIL above.\n", machine,
		       machine == 1 ? "" : "s");
	else if (machine)
		printf("\nRecording would NOT work here: %u thing%s to fix, marked FAIL above.\n", machine,
		       machine == 1 ? "" : "s");
	if (targets && (!machine || possible))
		printf("\nRecording would work on this machine, but NOT on %u of %u process%s.\n", targets, in->pids.n,
		       in->pids.n == 1 ? "" : "es");
	else if (!machine)
		puts("\nRecording would work.");
	return machine && !possible ? EXIT_CODE_MACHINE : targets ? EXIT_CODE_ATTACH : EXIT_CODE_OK;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp argp = {options, parse, NULL, doc, ui_children};
	struct fail why = {0};
	struct doctor_input in = {.why = &why};
	int code = ui_parse(&argp, argc, argv, &in, &why);

	return code ? code : ui_finish(examine(&in));
}
