/* See wait_hist.h. */
#include "core/analysis/wait_hist.h"

#include "core/base/clock.h"

static const unsigned multiples[] = {1, 2, 3, 4, 8, 16, 32, 128};
enum {
	MULTIPLES = sizeof(multiples) / sizeof(multiples[0]),
	DECADES_MAX = SUMMARY_HIST_MAX - 1 - MULTIPLES,
	DECADES_ALONE = 8, /* 10 us … 100 s */
};

static void add_edge(struct summary_hist *h, uint64_t from_ns, unsigned multiple)
{
	h->bins[h->n - 1].to_ns = from_ns;
	h->bins[h->n++] = (struct summary_bin){.from_ns = from_ns, .to_ns = UINT64_MAX, .multiple = multiple};
}

void wait_hist_init(struct summary_hist *h, uint64_t switch_interval_ns)
{
	uint64_t edge = 10 * NS_PER_US;
	unsigned decades = switch_interval_ns ? DECADES_MAX : DECADES_ALONE;

	*h = (struct summary_hist){.n = 1, .bins = {{.to_ns = UINT64_MAX}}};
	for (unsigned i = 0; i < decades && (!switch_interval_ns || edge < switch_interval_ns); i++, edge *= 10)
		add_edge(h, edge, 0);
	if (switch_interval_ns == 0 || switch_interval_ns > UINT64_MAX / 1024)
		return;
	for (unsigned i = 0; i < MULTIPLES; i++)
		add_edge(h, switch_interval_ns * multiples[i], multiples[i]);
}

static struct summary_bin *bin_of(struct summary_hist *h, uint64_t ns)
{
	unsigned i = h->n - 1;

	while (i > 0 && ns < h->bins[i].from_ns)
		i--;
	return &h->bins[i];
}

void wait_hist_add(struct summary_hist *h, uint64_t ns)
{
	struct summary_bin *bin = bin_of(h, ns);

	bin->waits++;
	bin->ns += ns;
}

void wait_hist_add_classes(struct summary_hist *h, const uint32_t classes[EV_AGG_BUCKETS], uint64_t ns)
{
	double whole = 0;

	for (unsigned b = 0; b < EV_AGG_BUCKETS; b++)
		whole += (double)classes[b] * (double)(1u << b);
	for (unsigned b = 0; b < EV_AGG_BUCKETS && whole > 0; b++) {
		struct summary_bin *bin = bin_of(h, (UINT64_C(1536) << b));

		bin->waits += classes[b];
		bin->ns += (uint64_t)((double)ns * (double)classes[b] * (double)(1u << b) / whole);
	}
}
