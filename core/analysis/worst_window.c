/* See worst_window.h. */
#include "core/analysis/worst_window.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/util/xalloc.h"

enum { CELLS_MAX = 4096 };

void worst_window_init(struct worst_window *w, uint64_t duration_ns)
{
	uint64_t cell = duration_ns / CELLS_MAX + 1;

	*w = (struct worst_window){.cell_ns = cell < NS_PER_MS ? NS_PER_MS : cell};
	w->n = (size_t)(duration_ns / w->cell_ns) + 1;
}

void worst_window_add(struct worst_window *w, uint64_t t0_ns, uint64_t t1_ns)
{
	if (t1_ns > w->cell_ns * w->n)
		t1_ns = w->cell_ns * w->n;
	if (t0_ns >= t1_ns)
		return;
	if (!w->cells)
		w->cells = xcalloc(w->n, sizeof(*w->cells));
	while (t0_ns < t1_ns) {
		size_t cell = (size_t)(t0_ns / w->cell_ns);
		uint64_t end = (cell + 1) * w->cell_ns;

		end = end < t1_ns ? end : t1_ns;
		w->cells[cell] += end - t0_ns;
		t0_ns = end;
	}
}

bool worst_window_find(const struct worst_window *w, uint64_t length_ns, uint64_t *ret_t0_ns, uint64_t *ret_t1_ns)
{
	size_t cells = w->cell_ns ? (size_t)(length_ns / w->cell_ns) : 0, worst = 0;
	uint64_t sum = 0, most = 0;

	if (!w->cells)
		return false;
	cells = cells < 1 ? 1 : cells > w->n ? w->n : cells;
	for (size_t i = 0; i < w->n; i++) {
		sum += w->cells[i];
		if (i >= cells)
			sum -= w->cells[i - cells];
		if (sum > most) {
			most = sum;
			worst = i + 1 > cells ? i + 1 - cells : 0;
		}
	}
	*ret_t0_ns = worst * w->cell_ns;
	*ret_t1_ns = (worst + cells) * w->cell_ns;
	return most > 0;
}

void worst_window_done(struct worst_window *w)
{
	free(w->cells);
	w->cells = NULL;
}
