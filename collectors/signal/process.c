/* See process.h. */
#include "collectors/signal/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/event/event_names.h"
#include "core/target/proc_task.h"
#include "core/util/xalloc.h"

#define RECORD_MAX sizeof(struct ev_stack)

void signal_gather(struct signal_gathered *g, const struct ev_hdr *e)
{
	struct signal_item item = { .t_ns = event_complete_ns(e), .at = g->bytes.n };
	size_t stride = ring_stride(e->size);

	vec_reserve(&g->bytes, g->bytes.n + stride);
	memcpy(g->bytes.items + g->bytes.n, e, e->size);
	g->bytes.n += stride;
	vec_push(&g->items, item);
}

/* --- its memory ----------------------------------------------------------------------------------------------------- */

static uint64_t ring_offset(uint32_t slot)
{
	return shared_rings_at() + (uint64_t)slot * SHARED_RING_BYTES;
}

/* A full memory file system would kill the target at its first write (SIGBUS); memory that was given to the file before cannot run out. */
static int make_ready(struct signal_process *p, uint32_t want)
{
	uint64_t from = p->ready ? ring_offset(p->ready) : 0;

	if (want > SHARED_SLOTS)
		want = SHARED_SLOTS;
	if (want <= p->ready)
		return 0;
	if (fallocate(p->memfd, 0, (off_t)from, (off_t)(ring_offset(want) - from)))
		return -errno;
	p->ready = want;
	__atomic_store_n(&p->shared->ready, want, __ATOMIC_RELEASE);
	return 0;
}

/* Of one that runs already, all want a ring at once. */
static uint32_t threads_now(const struct signal_process *p)
{
	struct stat st;

	return !fstatat(p->proc, "task", &st, 0) && st.st_nlink > 2 && st.st_nlink < SHARED_SLOTS ? (uint32_t)st.st_nlink - 2 : 0;
}

static int make_memory(struct signal_process *p, uint32_t sample_hz, bool follow)
{
	void *at;

	p->memfd = memfd_create("gilscope", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* sealed: nobody can make it shorter, which would kill us at our next read */
	if (p->memfd < 0 || ftruncate(p->memfd, (off_t)shared_bytes()) ||
	    fcntl(p->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	at = mmap(NULL, shared_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, p->memfd, 0);
	if (at == MAP_FAILED)
		return -errno;
	p->shared = at;
	p->shared->bytes_of_head = sizeof(*p->shared);
	p->shared->slots = SHARED_SLOTS;
	p->shared->sample_hz = sample_hz;
	p->shared->follow = follow;
	p->shared->magic = SHARED_MAGIC;
	p->spare = SHARED_SPARE_RINGS;
	return make_ready(p, threads_now(p) + p->spare);
}

int signal_process_new(struct signal_process **ret, pid_t pid, uint32_t sample_hz, bool follow)
{
	struct signal_process *p = xcalloc(1, sizeof(*p));
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	p->pid = pid;
	p->memfd = p->maps = -1;
	p->arrived_ns = clock_now_ns();
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	p->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = p->pidfd < 0 || p->proc < 0 ? -errno : make_memory(p, sample_hz, follow);
	if (err) {
		signal_process_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

/* A process that lives on keeps the mapping; what lies in it need not stay. */
static void give_back(struct signal_process *p)
{
	if (__atomic_load_n(&p->shared->over, __ATOMIC_ACQUIRE) &&
	    fallocate(p->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)shared_rings_at(), (off_t)SHARED_SLOTS * SHARED_RING_BYTES)) {
		/* it stays, until the process ends */
	}
}

void signal_process_free(struct signal_process *p)
{
	if (!p)
		return;
	if (p->shared) {
		p->shared->stop = 1;
		give_back(p);
		munmap(p->shared, shared_bytes());
	}
	if (p->maps >= 0)
		close(p->maps);
	if (p->memfd >= 0)
		close(p->memfd);
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->proc >= 0)
		close(p->proc);
	free(p);
}

void signal_process_renew(struct signal_process *p, uint64_t now)
{
	__atomic_store_n(&p->shared->lease_ns, now + SHARED_LEASE_NS, __ATOMIC_RELAXED);
}

void signal_process_publish(struct signal_process *p, const struct shared_config *config)
{
	uint32_t at = p->shared->config_at;

	if (at && !memcmp(&p->shared->config[(at - 1) & 1], config, sizeof(*config)))
		return;
	memcpy(&p->shared->config[at & 1], config, sizeof(*config));
	__atomic_store_n(&p->shared->config_at, at + 1, __ATOMIC_RELEASE);
	p->python = config->python;
}

bool signal_process_replaced(const struct signal_process *p)
{
	char byte;

	return p->maps >= 0 && pread(p->maps, &byte, 1, 0) <= 0;
}

bool signal_process_ended(const struct signal_process *p)
{
	struct pollfd poll_fd = { .fd = p->pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* --- its events --------------------------------------------------------------------------------------------------------- */

/* The library tells when it saw the thread first; the kernel knows when it was born, which is its identity. */
static void fix_birth(const struct signal_process *p, struct ev_thread *e)
{
	struct proc_stat stat;
	char name[64];

	snprintf(name, sizeof(name), "task/%u/stat", e->h.tid);
	if (proc_stat_read(p->proc, name, &stat))
		return;
	e->start_ns = stat.start_ns;
	if (!*e->comm) /* of a thread that ran before the library came, told by another one */
		memcpy(e->comm, stat.comm, sizeof(e->comm) - 1);
}

static bool times_ok(const struct ev_hdr *e, uint64_t now)
{
	const struct ev_off *off = (const struct ev_off *)e;

	return event_complete_ns(e) <= now && (e->kind != EV_OFF || off->t_out_ns <= off->t_in_ns);
}

/* One record, in memory that is ours.  Whom it is about is what we know, not what it says. */
static bool take(struct signal_process *p, struct signal_thread *t, struct ev_hdr *e, struct signal_gathered *g)
{
	struct ev_off *off = (struct ev_off *)e;

	e->pid = (uint32_t)p->pid;
	e->tid = t->tid;
	if (e->kind == SHARED_RAN) {
		struct shared_ran *ran = (struct shared_ran *)e;

		if (e->size != sizeof(*ran) || ran->to_ns < ran->from_ns || ran->to_ns > clock_now_ns())
			return false;
		signal_states_ran(p, t, ran, g);
		return true;
	}
	if (!event_size_ok(e, e->size) || !times_ok(e, clock_now_ns()))
		return false;
	switch (e->kind) {
	case EV_OFF:
		off->waker_pid = off->waker_tid ? e->pid : 0;
		break;
	case EV_THREAD:
		fix_birth(p, (struct ev_thread *)e);
		memcpy(t->comm, ((struct ev_thread *)e)->comm, sizeof(t->comm));
		break;
	case EV_SAMPLE:
	case EV_STACK:
	case EV_EXIT:
		e->flags &= ~(uint32_t)EV_F_PROCESS;
		break;
	default:
		return false; /* nothing that the library sends */
	}
	signal_gather(g, e);
	return true;
}

static bool drain_slot(struct signal_process *p, uint32_t i, struct signal_gathered *g)
{
	struct shared_slot *s = &p->shared->slot[i];
	struct signal_thread *t = &p->threads[i];
	uint64_t head = ring_head(&s->ring), at = s->ring.tail, begin = at;
	union { struct ev_hdr h; uint8_t bytes[RECORD_MAX + 8]; } record;
	int got;

	while ((got = ring_get(shared_ring_data(p->shared, i), SHARED_RING_BYTES, &at, head, &record, sizeof(record))) == RING_GOT)
		if (!take(p, t, &record.h, g))
			p->lost[EV_LOSS_RING_OTHER]++;
	if (got == RING_E_CORRUPT) {
		p->lost[EV_LOSS_RING_OTHER]++;
		at = head;
	}
	ring_free(&s->ring, at);
	return at - begin > SHARED_RING_BYTES / 4;
}

/* --- what was lost ---------------------------------------------------------------------------------------------------------- */

static void count_losses(struct signal_process *p, uint32_t i)
{
	struct shared_slot *s = &p->shared->slot[i];
	struct signal_thread *t = &p->threads[i];

	if (!t->tid || t->tid != s->tid)
		return;
	for (int k = 0; k < EV_LOSS_QUEUE; k++) {
		uint64_t now = s->lost[k];

		p->lost[k] += now - t->lost_seen[k] < (1U << 30) ? now - t->lost_seen[k] : 0;
		t->lost_seen[k] = now;
	}
	p->left_out += s->stacks_left_out - t->left_out_seen;
	t->left_out_seen = s->stacks_left_out;
}

void signal_process_losses(struct signal_process *p, uint64_t t0, uint64_t t1, struct signal_gathered *g, uint64_t *ret_left_out)
{
	for (uint32_t i = 0; i < p->ready; i++)
		count_losses(p, i);
	for (uint32_t cls = 0; cls < EV_LOSS_QUEUE; cls++) {
		struct ev_loss e = { .h = { .kind = EV_LOSS, .size = sizeof(e) }, .t0_ns = t0, .t1_ns = t1, .count = p->lost[cls], .cls = cls };

		if (e.count)
			signal_gather(g, &e.h);
	}
	memset(p->lost, 0, sizeof(p->lost));
	*ret_left_out += p->left_out;
	p->left_out = 0;
}

/* --- draining ---------------------------------------------------------------------------------------------------------------- */

/* A thread that has another tid than the slot's last one is another thread. */
static bool drain_one(struct signal_process *p, uint32_t i, struct signal_gathered *g)
{
	struct shared_slot *s = &p->shared->slot[i];
	struct signal_thread *t = &p->threads[i];
	uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE), tid = __atomic_load_n(&s->tid, __ATOMIC_ACQUIRE);
	bool full;

	if (state == SLOT_FREE || !tid)
		return false;
	if (t->tid != tid) {
		memset(t, 0, sizeof(*t));
		t->tid = tid;
		t->look.nr = -1;
	}
	full = drain_slot(p, i, g);
	if (state == SLOT_ENDED) { /* nothing more comes: room for another thread */
		count_losses(p, i);
		t->tid = 0;
		__atomic_store_n(&s->tid, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->state, SLOT_FREE, __ATOMIC_RELEASE);
	}
	return full;
}

bool signal_process_drain(struct signal_process *p, struct signal_gathered *g)
{
	uint32_t live = 0;
	bool full = false;

	for (uint32_t i = 0; i < p->ready; i++) {
		full |= drain_one(p, i, g);
		live += p->shared->slot[i].state != SLOT_FREE;
	}
	if (p->shared->no_slot != p->no_slot_seen && p->spare < SHARED_SLOTS / 4)
		p->spare *= 2; /* threads come faster than we look */
	p->no_slot_seen = p->shared->no_slot;
	if (live + p->spare / 2 > p->ready)
		make_ready(p, live + p->spare);
	return full;
}
