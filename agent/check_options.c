/* See check_options.h.  Everything after --baseline up to the next option is a baseline, so that a shell's * works. */
#include "agent/check_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/ui.h"
#include "core/analysis/paired.h"
#include "core/util/duration.h"
#include "core/util/number.h"
#include "core/util/strbuf.h"
#include "core/util/xalloc.h"

enum {
	KEY_BASELINE = 0x100, KEY_BASE_CMD, KEY_HEAD_CMD, KEY_ROUNDS, KEY_WARMUP, KEY_SEED, KEY_AA, KEY_OPS, KEY_KEEP, KEY_STEAL_MAX, KEY_MAX, KEY_LIMIT,
	KEY_FLOOR, KEY_METRIC, KEY_ALPHA, KEY_FORCE_UNLIKE, KEY_INCONCLUSIVE, KEY_GITHUB, KEY_RECORDER, KEY_SOURCE_URL, KEY_OUTPUT /* the last: + check_output */
};
enum { ROUNDS = 20, WARMUP = 2, MAX_WARMUP = 100 };
static const double STEAL_MAX = 0.05, THROTTLED_MAX = 0.01;

struct check_input { struct check_options *o; struct fail *why; };

static const struct argp_option check_options[] = {
	{NULL, 0, NULL, 0, "What to compare:", 1},
	{"base-cmd", KEY_BASE_CMD, "CMD", 0, "Command of the base version, run by sh -c", 1},
	{"head-cmd", KEY_HEAD_CMD, "CMD", 0, "Command of the version to check", 1},
	{"rounds", KEY_ROUNDS, "N", 0, "Run each N times, in turn (default 20; with fewer than 8 nothing can fail when all metrics are judged)", 1},
	{"warmup", KEY_WARMUP, "N", 0, "Rounds before them that do not count (default 2)", 1},
	{"seed", KEY_SEED, "N", 0, "Draw the order in each round from N (default: a random one, printed)", 1},
	{"aa", KEY_AA, NULL, 0, "Compare the base command with itself: shows this machine's noise and proposes limits", 1},
	{"ops", KEY_OPS, "N", 0, "Units of work each run does (default: what gilscope_mark.op() counted)", 1},
	{"steal-max", KEY_STEAL_MAX, "SHARE", 0, "CPU time that a run may lose to other virtual machines; after more its round is run again (default 5%)", 1},
	{"keep", KEY_KEEP, "DIR", 0, "Keep the recordings in DIR (default: remove them)", 1},
	{"baseline", KEY_BASELINE, "FILE…", 0, "Recordings of the base version; unpaired, a weaker comparison", 1},
	{"force-unlike", KEY_FORCE_UNLIKE, NULL, 0, "Compare recordings of unlike machines, interpreters or versions too (default: refuse)", 1},
	{NULL, 0, NULL, 0, "What fails:", 2},
	{"metric", KEY_METRIC, "METRIC", 0, "Judge this one only; may be repeated (default: all)", 2},
	{"limit", KEY_LIMIT, "METRIC=SHARE", 0, "Growth that fails, as 10% or 0.1 (defaults below)", 2},
	{"floor", KEY_FLOOR, "METRIC=VALUE", 0, "Growth in the metric's own unit below which nothing fails", 2},
	{"max", KEY_MAX, "METRIC=VALUE", 0, "Budget: fail when METRIC of head is above VALUE, as 20ms, 0.30 or 30%", 2},
	{"alpha", KEY_ALPHA, "P", 0, "Chance of a false alarm over all metrics, and of a missed interval (default 0.05)", 2},
	{"fail-on-inconclusive", KEY_INCONCLUSIVE, NULL, 0, "Exit with 3 when the runs cannot decide (default: 0)", 2},
	{NULL, 0, NULL, 0, "Outputs beside the table, any of them together:", 3},
	{"json", KEY_OUTPUT + CHECK_OUT_JSON, "FILE", 0, "Everything, as one JSON object", 3},
	{"junit", KEY_OUTPUT + CHECK_OUT_JUNIT, "FILE", 0, "JUnit XML: a test case per metric", 3},
	{"markdown", KEY_OUTPUT + CHECK_OUT_MARKDOWN, "FILE", 0, "Job summary, at most 1 MiB", 3},
	{"sarif", KEY_OUTPUT + CHECK_OUT_SARIF, "FILE", 0, "SARIF 2.1.0, for code scanning", 3},
	{"html", KEY_OUTPUT + CHECK_OUT_HTML, "FILE", 0, "A page: the metrics, and differential flame graphs of all runs", 3},
	{"source-url", KEY_SOURCE_URL, "URL", 0, "Where the repository's files are shown; lines in the page link there (https://…/blob/COMMIT)", 3},
	{"github", KEY_GITHUB, NULL, 0, "Annotations for GitHub Actions, on standard output", 3},
	{"recorder", KEY_RECORDER, "PROGRAM", OPTION_HIDDEN, "Program to run as gilscope record", 0},
	{0}
};

static const char doc[] =
	"Has waiting for the GIL become worse?  Runs two versions of a program turn by turn, records each run, and compares them; or "
	"compares recordings; or holds them to budgets.\v"
	"Examples:\n"
	"  gilscope check --aa --base-cmd 'python bench.py'\n"
	"  gilscope check --base-cmd 'cd base && python bench.py' --head-cmd 'python bench.py' --junit gil.xml\n"
	"  gilscope check run.gilscope --max gil_wait_ratio=30% --max gil_hold_p99=20ms\n"
	"  gilscope check new-*.gilscope --baseline old-*.gilscope\n\n"
	"Exit codes: 0 pass (also inconclusive, unless --fail-on-inconclusive), 1 regression, 2 usage, 3 not valid, or inconclusive with "
	"--fail-on-inconclusive, 4 a recording could not be read, 77 cannot record here.";

static char *help_filter(int key, const char *text, void *input)
{
	struct strbuf b = STRBUF_INIT;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	strbuf_adds(&b, "Metrics, and the growth that fails:\n");
	for (unsigned i = 0; i < METRIC_N; i++)
		strbuf_addf(&b, "  %-17s %2.0f %%  %s\n", metric_infos[i].name, 100 * metric_infos[i].max_regress, metric_infos[i].help);
	strbuf_addf(&b, "\n%s", text);
	return strbuf_steal(&b);
}

/* A number that is not negative, with what may follow it. */
static int parse_real(const char *text, const char *const *endings, const double *factors, double *ret)
{
	char *end;
	double d;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	d = strtod(text, &end);
	if (errno || !isfinite(d))
		return -ERANGE;
	for (size_t i = 0; endings[i]; i++) {
		if (strcmp(end, endings[i]) != 0)
			continue;
		*ret = d * factors[i];
		return 0;
	}
	return -EINVAL;
}

static int parse_share(const char *text, double *ret)
{
	static const char *const endings[] = {"", "%", " %", NULL};
	static const double factors[] = {1, 0.01, 0.01};

	return parse_real(text, endings, factors, ret);
}

static int parse_value(enum metric metric, const char *text, double *ret)
{
	static const char *const endings[] = {"", "/s", NULL};
	static const double factors[] = {1, 1};
	uint64_t ns;

	if (!strcmp(metric_infos[metric].unit, ""))
		return parse_share(text, ret);
	if (!strcmp(metric_infos[metric].unit, "/s"))
		return parse_real(text, endings, factors, ret);
	if (duration_parse(text, &ns))
		return -EINVAL;
	*ret = (double)ns / 1e9;
	return 0;
}

static error_t find_metric(struct check_input *in, const char *name, size_t n, enum metric *ret)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)(n < sizeof(text) ? n : sizeof(text) - 1), name);
	*ret = metric_find(text);
	return *ret != METRIC_N ? 0 : ui_usage(in->why, "could not judge '%s': there is no such metric", text);
}

static error_t parse_pair(struct check_input *in, const char *option, const char *arg, bool share, enum metric *ret_metric, double *ret_value)
{
	size_t n = strcspn(arg, "=");
	error_t err;

	if (!arg[n])
		return ui_usage(in->why, "could not use %s '%.64s': not like METRIC=VALUE", option, arg);
	err = find_metric(in, arg, n, ret_metric);
	if (err)
		return err;
	if (share ? parse_share(arg + n + 1, ret_value) : parse_value(*ret_metric, arg + n + 1, ret_value))
		return ui_usage(in->why, "could not use %s '%.64s': '%.32s' is not a %s", option, arg, arg + n + 1,
				share || !*metric_infos[*ret_metric].unit ? "share, like 0.1 or 10%" :
				!strcmp(metric_infos[*ret_metric].unit, "s") ? "duration, like 20ms" : "rate, like 5");
	return 0;
}

static error_t parse_judging(int key, const char *arg, struct check_input *in)
{
	struct check_options *o = in->o;
	enum metric metric;
	double value;
	error_t err;

	switch (key) {
	case KEY_METRIC:
		err = find_metric(in, arg, strlen(arg), &metric);
		if (!o->metrics_chosen)
			memset(o->limits.wanted, 0, sizeof(o->limits.wanted));
		o->metrics_chosen = true;
		if (!err)
			o->limits.wanted[metric] = true;
		return err;
	case KEY_LIMIT:
		err = parse_pair(in, "--limit", arg, true, &metric, &value);
		if (!err)
			o->limits.max_regress[metric] = value;
		return err;
	case KEY_FLOOR:
		err = parse_pair(in, "--floor", arg, false, &metric, &value);
		if (!err)
			o->limits.floor[metric] = value;
		return err;
	case KEY_MAX:
		err = parse_pair(in, "--max", arg, false, &metric, &value);
		if (!err)
			vec_push(&o->budgets, ((struct check_budget){metric, value}));
		return err;
	case KEY_ALPHA:
		if (parse_share(arg, &o->limits.alpha) || o->limits.alpha < 0.0001 || o->limits.alpha > 0.5)
			return ui_usage(in->why, "could not use --alpha '%.64s': not from 0.0001 to 0.5", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_number(struct check_input *in, const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (number_parse(arg, min, max, ret))
		return ui_usage(in->why, "could not use %s '%.64s': not a number from %llu to %llu", option, arg, (unsigned long long)min,
				(unsigned long long)max);
	return 0;
}

static error_t parse_running(int key, char *arg, struct check_input *in)
{
	struct check_options *o = in->o;
	uint64_t n = 0;
	error_t err = 0;

	switch (key) {
	case KEY_BASE_CMD: o->base_command = arg; break;
	case KEY_HEAD_CMD: o->head_command = arg; break;
	case KEY_KEEP: o->keep = arg; break;
	case KEY_RECORDER: o->recorder = arg; break;
	case KEY_AA: o->aa = true; break;
	case KEY_ROUNDS:
		err = parse_number(in, "--rounds", arg, 1, PAIRED_MAX, &n);
		o->rounds = (unsigned)n;
		o->rounds_given = true;
		break;
	case KEY_WARMUP:
		err = parse_number(in, "--warmup", arg, 0, MAX_WARMUP, &n);
		o->warmup = (unsigned)n;
		break;
	case KEY_SEED:
		err = parse_number(in, "--seed", arg, 0, INT64_MAX, &o->seed);
		o->seed_given = true;
		break;
	case KEY_STEAL_MAX:
		if (parse_share(arg, &o->disturbed.steal) || o->disturbed.steal > 1)
			return ui_usage(in->why, "could not use --steal-max '%.64s': not a share, like 0.1 or 10%%", arg);
		break;
	case KEY_OPS:
		err = parse_number(in, "--ops", arg, 1, INT64_MAX, &n);
		o->ops = (double)n;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return err;
}

static error_t parse_source_url(struct check_input *in, const char *arg)
{
	if (strncmp(arg, "https://", 8) != 0 && strncmp(arg, "http://", 7) != 0)
		return ui_usage(in->why, "could not link to '%.64s': not like https://…", arg);
	in->o->source_url = arg;
	return 0;
}

static error_t parse_end(struct check_input *in)
{
	const struct check_options *o = in->o;
	bool commands = o->base_command || o->head_command;

	if (commands && (o->heads.n || o->bases.n))
		return ui_usage(in->why, "could not check: commands or recordings, not both");
	if (o->aa && (!o->base_command || o->head_command))
		return ui_usage(in->why, "could not check: --aa needs --base-cmd, and no --head-cmd");
	if (!commands && !o->heads.n)
		return ui_usage(in->why, "could not check: nothing to check, neither --base-cmd and --head-cmd nor recordings");
	if (commands && !o->aa && !o->head_command)
		return ui_usage(in->why, "could not check: --base-cmd needs --head-cmd, or --aa");
	if (o->heads.n > PAIRED_MAX || o->bases.n > PAIRED_MAX)
		return ui_usage(in->why, "could not check: more than %d recordings", PAIRED_MAX);
	if (!o->budgets.n && !o->base_command && !o->bases.n)
		return ui_usage(in->why, "could not check: nothing to compare with, neither a base nor a budget (--max)");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct check_input *in = state->input;
	struct check_options *o = in->o;
	error_t err;

	switch (key) {
	case ARGP_KEY_ARG: vec_push(&o->heads, arg); return 0;
	case ARGP_KEY_END: return parse_end(in);
	case KEY_BASELINE: vec_push(&o->bases, arg); return 0;
	case KEY_FORCE_UNLIKE: o->force_unlike = true; return 0;
	case KEY_INCONCLUSIVE: o->fail_on_inconclusive = true; return 0;
	case KEY_GITHUB: o->github = true; return 0;
	case KEY_SOURCE_URL: return parse_source_url(in, arg);
	}
	if (key >= KEY_OUTPUT && key < KEY_OUTPUT + CHECK_OUT_N) {
		if (!*arg)
			return ui_usage(in->why, "could not write to '': the file name is empty");
		o->outputs[key - KEY_OUTPUT] = arg;
		return 0;
	}
	err = parse_judging(key, arg, in);
	return err == ARGP_ERR_UNKNOWN ? parse_running(key, arg, in) : err;
}

/* "--baseline A B" as "--baseline A --baseline B". */
static char **spread_baselines(int argc, char **argv, int *ret_argc)
{
	char **spread = xcalloc(2 * (size_t)argc + 1, sizeof(*spread));
	static char option[] = "--baseline";
	bool inside = false, value = false;
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (inside && !value && *argv[i] != '-')
			spread[n++] = option;
		if (*argv[i] == '-') {
			inside = !strcmp(argv[i], option);
			value = inside;
		} else {
			value = false;
		}
		spread[n++] = argv[i];
	}
	*ret_argc = n;
	return spread;
}

int check_options_parse(struct check_options *ret, int argc, char **argv)
{
	static const struct argp argp = {check_options, parse, "[FILE…]", doc, ui_children, help_filter};
	struct fail why = {0};
	struct check_input in = {.o = ret, .why = &why};
	int n, code;
	char **spread = spread_baselines(argc, argv, &n);

	*ret = (struct check_options){.rounds = ROUNDS, .warmup = WARMUP, .recorder = "/proc/self/exe", .disturbed = {.steal = STEAL_MAX, .throttled = THROTTLED_MAX}};
	regression_limits_init(&ret->limits);
	code = ui_parse(&argp, n, spread, &in, &why);
	free(spread);
	if (!code && !ret->seed_given) {
		uint32_t seed = 1;

		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = 1; /* the order is then always the same, and printed all the same */
		ret->seed = seed;
	}
	return code;
}

void check_options_done(struct check_options *o)
{
	vec_done(&o->heads);
	vec_done(&o->bases);
	vec_done(&o->budgets);
}
