/* See words.h. */
#include "viewer/check/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/util/escape.h"
#include "core/util/human.h"

static const double BLAMED_SHARE = 0.05; /* of what the most grown pair grew by: less is not what failed */

const char *const check_outcome_names[CHECK_OUTCOME_N] = {
	[CHECK_PASS] = "pass", [CHECK_FAIL] = "fail", [CHECK_INCONCLUSIVE] = "inconclusive", [CHECK_NOT_VALID] = "not valid",
};

const char *words_outcome(const struct check_report *r)
{
	switch (r->outcome) {
	case CHECK_PASS:
		return r->aa ? "What runs of the same command differ by here." :
			       "Nothing that was measured has become worse by more than its limit.";
	case CHECK_FAIL:
		return "Waiting for the GIL has become worse by more than its limit.";
	case CHECK_INCONCLUSIVE:
		return "The runs differ too much among themselves to say.";
	default:
		return "The runs cannot be judged.";
	}
}

static char *seconds(char ret[WORDS_LEN], double s, const char *sign)
{
	char b[HUMAN_LEN];

	snprintf(ret, WORDS_LEN, "%s%s", sign, s < 1e9 ? human_ns(b, (uint64_t)llround(s * 1e9)) : "ages");
	return ret;
}

static char *magnitude(char ret[WORDS_LEN], enum metric metric, double value, const char *sign, const char *percent)
{
	const char *unit = metric_infos[metric].unit;

	if (!strcmp(unit, "s"))
		return seconds(ret, value, sign);
	if (!strcmp(unit, "/s"))
		snprintf(ret, WORDS_LEN, "%s%.3g/s", sign, value);
	else
		snprintf(ret, WORDS_LEN, "%s%.3g%s", sign, value < 0.0005 ? 0 : value * 100, percent);
	return ret;
}

char *words_value(char ret[WORDS_LEN], enum metric metric, double value)
{
	if (!isfinite(value)) {
		snprintf(ret, WORDS_LEN, "-");
		return ret;
	}
	return magnitude(ret, metric, fabs(value), value < 0 ? "-" : "", " %");
}

char *words_change(char ret[WORDS_LEN], enum metric metric, bool ratio, double change)
{
	const char *sign = change < 0 ? "-" : "+";

	if (!isfinite(change)) {
		snprintf(ret, WORDS_LEN, "unknown");
		return ret;
	}
	if (!ratio)
		return magnitude(ret, metric, fabs(change), sign, " pp");
	snprintf(ret, WORDS_LEN, "%s%.*f %%", sign, fabs(change) < 0.0995 ? 1 : 0, fabs(change) * 100);
	return ret;
}

double words_limit(const struct check_report *r, const struct regression_row *row)
{
	double relative = r->limits->max_regress[row->metric];

	return row->ratio ? relative : fmax(r->limits->floor[row->metric], relative * fabs(row->base));
}

static void add_interval(struct strbuf *b, const struct check_report *r, const struct regression_row *row)
{
	char low[WORDS_LEN], high[WORDS_LEN], limit[WORDS_LEN];

	words_change(limit, row->metric, row->ratio, words_limit(r, row));
	if (isfinite(row->low) && isfinite(row->high))
		strbuf_addf(b, "; interval %s to %s, limit %s", words_change(low, row->metric, row->ratio, row->low),
			    words_change(high, row->metric, row->ratio, row->high), limit);
	else
		strbuf_addf(b, "; too few runs for an interval, limit %s", limit);
}

void words_row(struct strbuf *b, const struct check_report *r, const struct regression_row *row)
{
	char base[WORDS_LEN], head[WORDS_LEN], change[WORDS_LEN];

	strbuf_adds(b, metric_infos[row->metric].name);
	if (row->verdict == VERDICT_NOT_MEASURED) {
		strbuf_adds(b, " was not measured");
		return;
	}
	strbuf_addf(b, " %s: %s -> %s (%s", words_change(change, row->metric, row->ratio, row->change),
		    words_value(base, row->metric, row->base), words_value(head, row->metric, row->head), metric_infos[row->metric].help);
	strbuf_addc(b, ')');
	add_interval(b, r, row);
	if (row->verdict == VERDICT_INCONCLUSIVE) {
		strbuf_adds(b, "; ");
		words_undecided(b, r, row);
	}
}

void words_undecided(struct strbuf *b, const struct check_report *r, const struct regression_row *row)
{
	char change[WORDS_LEN];

	if (!isfinite(row->low) || !isfinite(row->high)) {
		strbuf_adds(b, "too few runs");
	} else if (row->low > 0 && row->p_adjusted > r->limits->alpha) {
		strbuf_adds(b, "worse in these runs, but so few runs cannot show it for so many metrics at once");
	} else {
		strbuf_addf(b, "a change of %s would have shown", words_change(change, row->metric, row->ratio, row->detectable));
		if (row->rounds_needed > row->n_base)
			strbuf_addf(b, "; about %zu runs a side would show the limit", row->rounds_needed);
	}
}

void words_budget(struct strbuf *b, const struct budget_row *row)
{
	char limit[WORDS_LEN], value[WORDS_LEN], low[WORDS_LEN], high[WORDS_LEN];

	strbuf_adds(b, metric_infos[row->metric].name);
	if (row->verdict == VERDICT_NOT_MEASURED) {
		strbuf_addf(b, " was not measured; its budget is %s", words_value(limit, row->metric, row->limit));
		return;
	}
	strbuf_addf(b, " is %s, its budget %s", words_value(value, row->metric, row->estimate), words_value(limit, row->metric, row->limit));
	if (isfinite(row->low) && isfinite(row->high))
		strbuf_addf(b, " (interval %s to %s)", words_value(low, row->metric, row->low), words_value(high, row->metric, row->high));
}

void words_site(struct strbuf *b, const struct check_report *r, const struct site_growth *site)
{
	char base[WORDS_LEN], head[WORDS_LEN];

	strbuf_addf(b, "%s waits for %s: %s -> %s per %s", site->waiter, site->holder, seconds(base, fmax(site->base, 0), ""),
		    seconds(head, fmax(site->head, 0), ""), r->per_op ? "unit of work" : "second");
}

size_t words_blamed(const struct check_report *r, size_t max)
{
	double most = r->n_sites ? r->sites[0].head - r->sites[0].base : 0;
	size_t n = 0;

	if (r->outcome != CHECK_FAIL || !(most > 0))
		return 0;
	while (n < r->n_sites && n < max && r->sites[n].head - r->sites[n].base >= BLAMED_SHARE * most)
		n++;
	return n;
}

bool words_path(struct strbuf *b, const struct check_report *r, const char *file)
{
	size_t n = strlen(r->directory);

	if (n && !strncmp(file, r->directory, n) && file[n] == '/' && file[n + 1] && !strstr(file + n, "/../")) {
		strbuf_adds(b, file + n + 1);
		return true;
	}
	strbuf_adds(b, file);
	return *file != '/' && *file != '<' && *file && strncmp(file, "../", 3) != 0 && !strstr(file, "/../");
}

void words_uri(struct strbuf *b, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";

	for (const char *c = path; *c; c++) {
		if (strchr(plain, *c))
			strbuf_addc(b, *c);
		else
			strbuf_addf(b, "%%%02X", (unsigned char)*c);
	}
}
