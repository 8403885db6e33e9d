/* The scan of the credits: of a long queue each wait has dozens, so there are more of them than of all other rows together.
 * It has a reader and a thread of its own while the caller reads the rest; sums of blame are made on the way and taken over by the
 * loader's reader.  Few credits, or a file that cannot be opened twice: the caller scans them itself. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/analysis/summary_priv.h"
#include "core/util/xalloc.h"

/* A wait of a long queue has dozens of credits: so many vote for the lines of holds, which takes less than half a second. */
enum { CREDITS_VOTING = 400000, CREDITS_ALONE = 50000, STOPPED = 1 };

struct credit_scan {
	struct loader *l;
	struct reader *r; /* NULL: of the loader's */
	pthread_t thread;
	bool running;
	atomic_bool stop;
	size_t voting;
	bool voted;
	int err;
};

static void vote(struct credit_scan *scan, const struct wait *w, const struct credit *row)
{
	struct loader *l = scan->l;
	struct load_lock *k = w && row->holder != MODEL_NONE && row->stack ? loader_lock(l, w->lock) : NULL;

	if (k && (k->lock->kind != LOCK_GIL || w->t1_ns > k->log.until_ns))
		k = NULL;
	if (k)
		hold_log_credit(&k->log, w->t0_ns, w->t1_ns, row->holder, summary_line(l, row->stack), row->ns);
	if (++scan->voting < CREDITS_VOTING || !k)
		return;
	l->credited_until_ns = w->t0_ns;
	scan->voted = true;
}

static int on_credit(void *ctx, const struct wait *w, const struct credit *row)
{
	struct credit_scan *scan = ctx;
	const struct row_tap *tap = scan->l->tap;

	if (atomic_load_explicit(&scan->stop, memory_order_relaxed))
		return STOPPED;
	if (!scan->voted)
		vote(scan, w, row);
	return tap && tap->credit ? tap->credit(tap->ctx, row) : 0;
}

static void *work(void *ctx)
{
	struct credit_scan *scan = ctx;

	scan->err = reader_credits(scan->r, on_credit, scan);
	return NULL;
}

struct credit_scan *credit_scan_start(struct loader *l)
{
	struct credit_scan *scan = xcalloc(1, sizeof(*scan));
	struct fail unasked;

	scan->l = l;
	l->credited_until_ns = UINT64_MAX;
	if (reader_counts(l->r).credits < CREDITS_ALONE || reader_open_again(l->r, &scan->r, &unasked))
		return scan;
	reader_sum_along(scan->r);
	scan->running = pthread_create(&scan->thread, NULL, work, scan) == 0;
	return scan;
}

int credit_scan_finish(struct credit_scan *scan, bool stop)
{
	struct reader *r = scan->l->r;
	int err;

	atomic_store(&scan->stop, stop);
	if (scan->running) {
		pthread_join(scan->thread, NULL);
		if (!scan->err)
			reader_take_credits(r, scan->r);
		else if (scan->err < 0 && !stop)
			reader_take_failure(r, scan->r);
	} else {
		scan->err = reader_credits(r, on_credit, scan);
	}
	err = scan->err == STOPPED ? 0 : scan->err;
	reader_close(scan->r);
	free(scan);
	return err;
}
