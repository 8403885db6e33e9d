/* The outcome as one JSON object; docs/ci.md explains its members. */
#include "viewer/check/check.h"

#include "core/util/escape.h"
#include "viewer/check/words.h"
#include "viewer/json/stream.h"

static void put_text(struct stream *s, const char *key, const char *raw)
{
	autostrbuf text = STRBUF_INIT;

	escape_adds(&text, raw);
	stream_text(s, key, text.s);
}

static void put_texts(struct stream *s, const char *key, const char *const *texts, size_t n)
{
	stream_open(s, key, '[');
	for (size_t i = 0; i < n; i++)
		put_text(s, NULL, texts[i]);
	stream_close(s);
}

static void put_run(struct stream *s, const struct run_metrics *m)
{
	stream_open(s, NULL, '{');
	stream_real(s, "duration_s", m->duration_s);
	stream_real(s, "ops", m->ops);
	stream_int(s, "waits", (int64_t)m->waits);
	stream_real(s, "lost_share", m->lost_share);
	stream_bool(s, "complete", m->complete);
	stream_bool(s, "gil_wait_p99_about", m->wait_p99_about);
	for (unsigned i = 0; i < METRIC_N; i++)
		if (m->known[i])
			stream_real(s, metric_infos[i].name, m->value[i]);
	stream_close(s);
}

static void put_side(struct stream *s, const char *key, const struct check_side *side)
{
	stream_open(s, key, '{');
	put_text(s, "name", side->name);
	stream_open(s, "runs", '[');
	for (size_t i = 0; i < side->n; i++)
		put_run(s, &side->runs[i]);
	stream_close(s);
	if (side->n) {
		const struct run_origin *o = &side->runs[0].origin;

		stream_open(s, "origin", '{');
		put_text(s, "cpu_model", o->cpu_model);
		put_text(s, "kernel", o->kernel);
		put_text(s, "runtime", o->runtime);
		put_text(s, "gilscope", o->gilscope_version);
		put_text(s, "collector", o->collector);
		stream_int(s, "cpus", o->cpus);
		stream_int(s, "sample_hz", o->sample_hz);
		stream_close(s);
	}
	stream_close(s);
}

static void put_row(struct stream *s, const struct check_report *r, const struct regression_row *row)
{
	stream_open(s, NULL, '{');
	stream_text(s, "metric", metric_infos[row->metric].name);
	stream_text(s, "unit", metric_infos[row->metric].unit);
	stream_text(s, "verdict", verdict_names[row->verdict]);
	stream_real(s, "base", row->base);
	stream_real(s, "head", row->head);
	stream_bool(s, "relative", row->ratio);
	if (row->verdict != VERDICT_NOT_MEASURED) {
		stream_real(s, "change", row->change);
		stream_real(s, "low", row->low);
		stream_real(s, "high", row->high);
		stream_real(s, "limit", words_limit(r, row));
		stream_real(s, "p", row->p);
		stream_real(s, "p_adjusted", row->p_adjusted);
		stream_real(s, "detectable", row->detectable);
		stream_int(s, "rounds_needed", (int64_t)row->rounds_needed);
	}
	stream_int(s, "n_base", (int64_t)row->n_base);
	stream_int(s, "n_head", (int64_t)row->n_head);
	stream_close(s);
}

static void put_budget(struct stream *s, const struct budget_row *row)
{
	stream_open(s, NULL, '{');
	stream_text(s, "metric", metric_infos[row->metric].name);
	stream_text(s, "verdict", verdict_names[row->verdict]);
	stream_real(s, "limit", row->limit);
	stream_int(s, "n", (int64_t)row->n);
	if (row->n) {
		stream_real(s, "estimate", row->estimate);
		stream_real(s, "low", row->low);
		stream_real(s, "high", row->high);
	}
	stream_close(s);
}

static void put_site(struct stream *s, const struct check_report *r, const struct site_growth *site)
{
	autostrbuf path = STRBUF_INIT;

	words_path(&path, r, site->file);
	stream_open(s, NULL, '{');
	stream_text(s, "waiter", site->waiter);
	stream_text(s, "holder", site->holder);
	put_text(s, "file", path.s);
	stream_int(s, "line", site->line);
	stream_real(s, "base_s", site->base);
	stream_real(s, "head_s", site->head);
	stream_close(s);
}

static void put_floor(struct stream *s, const struct check_floor *f)
{
	stream_open(s, NULL, '{');
	stream_text(s, "metric", metric_infos[f->metric].name);
	stream_int(s, "n", (int64_t)f->n);
	if (f->known) {
		stream_bool(s, "relative", f->ratio);
		stream_real(s, "spread", f->spread);
		stream_real(s, "noise", f->noise);
		stream_real(s, "limit", f->limit);
	}
	stream_close(s);
}

static void put_region(struct stream *s, const struct check_region *g)
{
	stream_open(s, NULL, '{');
	put_text(s, "name", g->name);
	stream_real(s, "base_entries", g->base_n);
	stream_real(s, "head_entries", g->head_n);
	stream_real(s, "base_s", g->base_s);
	stream_real(s, "head_s", g->head_s);
	stream_close(s);
}

void check_json(FILE *out, const struct check_report *r)
{
	struct stream s = {.out = out};

	stream_open(&s, NULL, '{');
	stream_int(&s, "schema_version", 1);
	stream_text(&s, "gilscope", GILSCOPE_VERSION);
	stream_text(&s, "outcome", check_outcome_names[r->outcome]);
	stream_text(&s, "comparison", r->aa ? "aa" : !r->regression ? "budgets" : r->regression->paired ? "paired" : "unpaired");
	stream_bool(&s, "estimated", r->estimated);
	stream_int(&s, "rounds", (int64_t)r->rounds);
	if (r->rounds)
		stream_int(&s, "seed", (int64_t)r->seed);
	stream_real(&s, "alpha", r->limits->alpha);
	put_texts(&s, "invalid", r->invalid, r->n_invalid);
	put_texts(&s, "notes", r->notes, r->n_notes);
	stream_open(&s, "metrics", '[');
	for (size_t i = 0; r->regression && i < r->regression->n; i++)
		put_row(&s, r, &r->regression->rows[i]);
	stream_close(&s);
	stream_open(&s, "budgets", '[');
	for (size_t i = 0; i < r->n_budgets; i++)
		put_budget(&s, &r->budgets[i]);
	stream_close(&s);
	stream_text(&s, "sites_per", r->per_op ? "op" : "second");
	stream_open(&s, "sites", '[');
	for (size_t i = 0; i < r->n_sites; i++)
		put_site(&s, r, &r->sites[i]);
	stream_close(&s);
	stream_open(&s, "noise", '[');
	for (size_t i = 0; i < r->n_floors; i++)
		put_floor(&s, &r->floors[i]);
	stream_close(&s);
	stream_open(&s, "regions", '[');
	for (size_t i = 0; i < r->n_regions; i++)
		put_region(&s, &r->regions[i]);
	stream_close(&s);
	if (r->base.n)
		put_side(&s, "base", &r->base);
	put_side(&s, "head", &r->head);
	stream_close(&s);
}
