/* How long waits last (with marks at multiples of the switch interval), how the GIL changes hands. */
#include "core/base/clock.h"
#include "core/util/human.h"
#include "viewer/text/text_priv.h"

enum { HIST_BAR_MAX = 40, HIST_BESIDE = 60 };

static size_t bar_columns(const struct page *page)
{
	return page->columns < HIST_BESIDE + HIST_BAR_MAX ? page->columns - HIST_BESIDE : HIST_BAR_MAX;
}

static void put_bin(struct page *page, const struct summary_bin *bin, uint64_t most)
{
	char edge[HUMAN_LEN], n[HUMAN_LEN], ns[HUMAN_LEN], label[HUMAN_LEN + 8];

	if (bin->from_ns)
		snprintf(label, sizeof(label), "from %s", human_ns(edge, bin->from_ns));
	else
		snprintf(label, sizeof(label), "under %s", human_ns(edge, bin->to_ns));
	page_right(page, bin->multiple ? INK_PLAIN : INK_DIM, 16, label);
	page_put(page, INK_DIM, bin->multiple ? " ┼ " : " │ ");
	page_bar(page, bin->multiple ? INK_WAIT : INK_GIL, most ? (double)bin->waits / (double)most : 0, bar_columns(page));
	page_right(page, bin->waits ? INK_PLAIN : INK_DIM, 10, bin->waits ? human_count(n, bin->waits) : "·");
	page_right(page, bin->waits ? INK_PLAIN : INK_DIM, 10, bin->waits ? human_ns(ns, bin->ns) : "·");
	if (bin->multiple == 1)
		page_put(page, INK_DIM, "  ← switch interval");
	else if (bin->multiple)
		page_putf(page, INK_DIM, "  %u×", bin->multiple);
	page_end(page);
}

/* In a row of empty ones only the ends, and the switch interval. */
static bool bin_told(const struct summary_hist *h, unsigned i)
{
	return h->bins[i].waits || h->bins[i].multiple == 1 || (i > 0 && h->bins[i - 1].waits) ||
	       (i + 1 < h->n && h->bins[i + 1].waits);
}

static void put_histogram(struct page *page, const struct summary_hist *h)
{
	unsigned first = 0, last = h->n - 1;
	uint64_t most = 0;

	for (unsigned i = 0; i < h->n; i++)
		most = h->bins[i].waits > most ? h->bins[i].waits : most;
	while (first < last && h->bins[first].waits == 0 && h->bins[first].multiple == 0)
		first++;
	while (last > first && h->bins[last].waits == 0 && h->bins[last].multiple != 1)
		last--;
	page_to(page, 19 + bar_columns(page));
	page_right(page, INK_DIM, 10, "waits");
	page_right(page, INK_DIM, 10, "time");
	page_end(page);
	for (unsigned i = first; i <= last; i++) {
		if (bin_told(h, i)) {
			put_bin(page, &h->bins[i], most);
		} else if (bin_told(h, i - 1)) {
			page_right(page, INK_DIM, 18, "⋮");
			page_end(page);
		}
	}
}

static void put_handoffs(struct page *page, const struct text_context *c, const struct summary_lock *gil)
{
	double seconds = (double)c->s->duration_ns / (double)NS_PER_S;
	char all[HUMAN_LEN], forced[HUMAN_LEN], voluntary[HUMAN_LEN], share[HUMAN_LEN], latency[HUMAN_LEN];
	uint64_t given = gil->handoffs - (gil->forced_handoffs < gil->handoffs ? gil->forced_handoffs : gil->handoffs);

	if (seconds <= 0 || gil->handoffs + gil->wake_latency_ns == 0)
		return;
	page_end(page);
	page_putf(page, INK_PLAIN, "  hand-offs    %s: ", human_rate(all, (double)gil->handoffs / seconds));
	page_putf(page, INK_PLAIN, "%s given freely, ", human_rate(voluntary, (double)given / seconds));
	page_putf(page, INK_PLAIN, "%s taken by force (%s: an interval ran out)",
		  human_rate(forced, (double)gil->forced_handoffs / seconds),
		  human_pct(share, (double)gil->forced_handoffs, (double)gil->handoffs));
	page_end(page);
	if (gil->recorded_waits == 0 || gil->wake_latency_ns == 0)
		return;
	page_putf(page, INK_PLAIN, "  waking up    %s on average, from being woken to running",
		  human_ns(latency, gil->wake_latency_ns / gil->recorded_waits));
	page_end(page);
}

static void text_gil(struct page *page, const struct text_context *c, const struct summary_lock *gil)
{
	char interval[HUMAN_LEN];
	autostrbuf title = STRBUF_INIT, remark = STRBUF_INIT;

	if (c->p->n_locks > 1 && c->p->locks[1].kind == LOCK_GIL) /* GILs come first */
		strbuf_addf(&title, "How long waits last, GIL of interpreter %lld", (long long)gil->interp_id);
	else
		strbuf_adds(&title, "How long waits last");
	if (c->p->switch_interval_ns)
		strbuf_addf(&remark, "switch interval %s", human_ns(interval, c->p->switch_interval_ns));
	page_heading(page, title.s, remark.s);
	put_histogram(page, &gil->hist);
	put_handoffs(page, c, gil);
}

void text_waits(struct page *page, const struct text_context *c)
{
	for (size_t i = 0; i < c->p->n_locks; i++)
		if (c->p->locks[i].kind == LOCK_GIL && c->p->locks[i].waits.n)
			text_gil(page, c, &c->p->locks[i]);
}
