/* See site_growth.h. */
#include "core/analysis/site_growth.h"

#include <string.h>

#include "core/util/vec.h"

typedef vec(struct site_growth) growth_vec;

static struct site_growth *row_of(growth_vec *rows, const struct metric_site *site)
{
	struct site_growth *row;

	for (size_t i = 0; i < rows->n; i++)
		if (!strcmp(rows->items[i].waiter_key, site->waiter_key) && !strcmp(rows->items[i].holder_key, site->holder_key))
			return &rows->items[i];
	row = vec_add(rows);
	row->waiter_key = site->waiter_key;
	row->holder_key = site->holder_key;
	row->waiter = site->waiter;
	row->holder = site->holder;
	row->file = site->file;
	row->line = site->line;
	return row;
}

static void add_runs(growth_vec *rows, const struct run_metrics *runs, size_t n, bool per_op, bool is_head)
{
	for (size_t i = 0; i < n; i++) {
		double units = per_op ? runs[i].ops : runs[i].duration_s;

		for (size_t k = 0; k < runs[i].n_sites && units > 0; k++) {
			struct site_growth *row = row_of(rows, &runs[i].sites[k]);

			*(is_head ? &row->head : &row->base) += runs[i].sites[k].wait_s / units / (double)n;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct site_growth *x = a, *y = b;
	double p = x->head - x->base, q = y->head - y->base;

	if (p > q || p < q)
		return p > q ? -1 : 1;
	return strcmp(x->waiter_key, y->waiter_key);
}

struct site_growth *site_growth_make(const struct run_metrics *base, size_t n_base, const struct run_metrics *head, size_t n_head,
				     bool per_op, size_t *ret_n)
{
	growth_vec rows = {0};

	/* head first: lines shown, and blamed, are those of the code under test */
	add_runs(&rows, head, n_head, per_op, true);
	add_runs(&rows, base, n_base, per_op, false);
	vec_sort(&rows, compare);
	*ret_n = rows.n;
	return rows.items;
}
