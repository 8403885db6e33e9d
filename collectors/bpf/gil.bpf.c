// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What the scheduler tells about the threads of the targets, turned into events.
 *
 * sched_switch sees a thread leave the CPU while its memory is still mapped: the futex word says whether it waits for
 * a GIL, the GIL's words say who holds it, and both Python stacks can be read there and then.  Everything is kept
 * in task storage and sent as one event when the thread runs again; short stretches are only counted when the dials say so.
 *
 * Must not decide what an event means (core/timeline does).  Per-CPU scratch is safe here: sched_switch and sched_waking run with
 * interrupts off, the sampler (hard interrupt) has scratch of its own, nothing runs in NMI (cpu-clock is an hrtimer). */
#include "collectors/bpf/stretch.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* --- off and on the CPU, and who wakes whom --------------------------------------------------------------------- */

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct bpf_proc *proc;
	__u64 now = 0;

	if (!dials.armed)
		return 0;
	proc = proc_of(prev);
	if (proc) { /* preempted while about to sleep: still runnable, whatever __state says (5.18 and newer: commit fa2c3254d7cf) */
		now = switched_out(prev, proc, !preempt && prev->__state != 0, bpf_ktime_get_ns());
	}
	proc = proc_of(next);
	if (proc) {
		if (!now)
			now = bpf_ktime_get_ns();
		switched_in(next, proc, prev->tgid == next->tgid, now);
	}
	if (now)
		count(BPF_COUNT_SWITCHES, 1);
	return 0;
}

/* On which futex it sleeps, or is about to: woken before the switch was seen, only its registers tell. */
static __always_inline bool sleeps_on(struct thread_rec *r, struct task_struct *p, __u64 *ret_word)
{
	struct pt_regs *regs;

	*ret_word = r->arg0;
	if (r->t_out)
		return r->flags & EV_F_FUTEX_WAIT;
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	*ret_word = regs->di;
	return futex_waits((__s32)regs->orig_ax, regs->si);
}

static __always_inline bool has_released(struct bpf_proc *proc, const struct thread_rec *waker, const struct gil_words *w, __u64 at)
{
	if (proc->walk.gil_words == WALK_GIL_SEMAPHORE)
		return true;
	if (proc->walk.gil_words == WALK_GIL_IDENT) /* only who lets go signals the condition; the queue's next is woken by who took it */
		return !w->locked || at - proc->walk.gil_wait < proc->walk.gil_wait_len || at - proc->walk.gil_forced < proc->walk.gil_forced_len;
	if (w->locked)
		return false;
	return proc->walk.gil_words == WALK_GIL_CURRENT || (waker && waker->tstate && waker->tstate == w->last_holder) ||
	       w->last_holder == own_tstate(proc);
}

/* drop_gil wakes waiters when it has just set the GIL free.  Others do too: glibc's condition makes a waiter that times out
 * pass on a signal it may have taken from another, and everybody unlocks the mutex. */
static __always_inline void note_waker(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *waker, const struct gil_words *w, __u64 at)
{
	struct thread_rec *by = rec_of(waker, false);

	if (!has_released(proc, by, w, at))
		r->wake_flags |= EV_F_NOT_RELEASED;
	else if (by && !by->moved)
		by->moved = EV_F_MOVED;
}

static __always_inline void take_waker(struct thread_rec *r, struct bpf_proc *proc, struct task_struct *waker)
{
	r->waker_tid = tid_of(waker);
	r->has &= ~(HAS_WAKER_PID | HAS_WAKER_STACK);
	if (!(r->has & HAS_STACKS) || !(r->flags & EV_F_FUTEX_WAIT) || !proc->python)
		return;
	r->waker_stack = take_stack(proc, own_tstate(proc), pid_tid_of(waker), SCRATCH_WAKING, 0);
	r->has |= HAS_WAKER_STACK;
}

/* Woken from a word that several processes share: where it lies in the waker's memory is not known here. */
static __always_inline void woken_by_process(struct thread_rec *r, struct task_struct *waker)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(waker);
	struct bpf_proc *proc = proc_of(waker);

	if (proc && r->t_out && !(r->arg1 & FUTEX_PRIVATE_FLAG) && (__s32)regs->orig_ax == NR_FUTEX &&
	    !(regs->si & FUTEX_PRIVATE_FLAG) && !futex_waits(NR_FUTEX, regs->si)) {
		take_waker(r, proc, waker);
		r->waker_pid = pid_of(waker);
		r->has |= HAS_WAKER_PID;
	}
}

/* The GIL it sleeps on, or is about to; 0 none. */
static __always_inline __u64 sleeps_on_gil(struct thread_rec *r, struct bpf_proc *proc, __u64 word)
{
	struct bpf_gil *gil;

	if (!proc->python)
		return 0;
	if (r->t_out)
		return r->flags & EV_F_GIL_WAIT ? r->gil : 0;
	gil = gil_of_word(proc, word, &r->wake_slot);
	return gil ? gil->addr : 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *p)
{
	struct thread_rec *r;
	struct task_struct *waker;
	struct bpf_proc *proc;
	struct gil_words w;
	struct pt_regs *regs;
	__u64 word, gil;
	bool looked;

	if (!dials.armed || !(proc = proc_of(p)))
		return 0;
	r = rec_of(p, false);
	if (!r)
		return 0;
	r->t_wake = bpf_ktime_get_ns();
	waker = bpf_get_current_task_btf();
	if (!sleeps_on(r, p, &word))
		return 0;
	if (waker->tgid != p->tgid) {
		woken_by_process(r, waker);
		return 0;
	}
	gil = sleeps_on_gil(r, proc, word);
	looked = gil && read_gil(proc, gil, &w);
	if (looked && r->t_out)
		note_number(r, &w);
	/* Woken by a thread, or by a timer that happened to interrupt one?  A futex(WAKE) on our word is the former. */
	regs = (struct pt_regs *)bpf_task_pt_regs(waker);
	if ((__s32)regs->orig_ax != NR_FUTEX || regs->di != word || futex_waits(NR_FUTEX, regs->si))
		return 0;
	if (looked)
		note_waker(r, proc, waker, &w, word - gil);
	take_waker(r, proc, waker);
	return 0;
}

/* --- samples ------------------------------------------------------------------------------------------------- */

#define POINTS_INTO_GIL(reg) (regs->reg - gil->addr < size)

/* take_gil and the pthread functions it calls keep the GIL's address, or its condition's or mutex's, in a register. */
static __always_inline bool wants_gil(struct pt_regs *regs, struct bpf_gil *gil, __u64 size)
{
	return POINTS_INTO_GIL(di) || POINTS_INTO_GIL(si) || POINTS_INTO_GIL(bx) || POINTS_INTO_GIL(bp) ||
	       POINTS_INTO_GIL(r12) || POINTS_INTO_GIL(r13) || POINTS_INTO_GIL(r14) || POINTS_INTO_GIL(r15) ||
	       POINTS_INTO_GIL(r8) || POINTS_INTO_GIL(r9) || POINTS_INTO_GIL(ax) || POINTS_INTO_GIL(dx);
}

SEC("perf_event")
int on_sample(void *ctx)
{
	struct task_struct *p = bpf_get_current_task_btf();
	struct bpf_proc *proc;
	struct bpf_gil *gil;
	struct gil_view v = {};
	struct ev_sample *e;
	struct pt_regs *regs;
	__u64 tstate = 0, stack = 0, gil_addr = 0, c_stack = 0;
	__u32 flags = 0, slot = SCRATCH_SAMPLE;
	struct scratch *s;

	if (!dials.armed || !(proc = proc_of(p)) || p->flags & PF_EXITING) /* its end has perhaps been told already */
		return 0;
	s = bpf_map_lookup_elem(&scratch, &slot);
	if (!s)
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(p);
	__s64 nr = (__s64)regs->orig_ax;
	if (nr >= 0)
		flags |= EV_F_KERNEL;
	if (proc->python)
		tstate = own_tstate(proc);
	if (tstate)
		flags |= EV_F_PYTHON;
	if (tstate && proc->n_gils) {
		gil = home_gil(proc, tstate, &s->gil_slot);
		gil_addr = gil->addr;
		look_at_gil(proc, gil->addr, tstate, &v);
		flags |= v.flags | gc_flag(gil);
		if ((v.flags & (EV_F_LOCKED | EV_F_SELF_HOLDS)) == EV_F_LOCKED && wants_gil(regs, gil, proc->walk.gil_size))
			flags |= EV_F_WANTS_GIL;
	}
	if (tstate)
		stack = take_stack(proc, tstate, pid_tid_of(p), SCRATCH_SAMPLE, 0);
	if (native)
		c_stack = take_native(p, proc, SCRATCH_SAMPLE, stack, 0);
	e = reserve(sizeof(*e), EV_LOSS_RING_SAMPLE);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_SAMPLE, sizeof(*e), flags, pid_tid_of(p));
	e->t_ns = bpf_ktime_get_ns();
	e->gil = gil_addr;
	e->holder_ident = v.holder_ident;
	e->stack = stack;
	e->context = stack ? s->buf.context : 0;
	e->ip = regs->ip;
	e->nr = nr < 0 ? -1 : (__s32)nr;
	e->cpu = bpf_get_smp_processor_id();
	e->native = c_stack;
	submit(e);
	return 0;
}

/* --- births, deaths, new programs and names ------------------------------------------------------------------- */

/* It has ended; or a new process has its number, which is a stranger and not recorded in its name. */
static __always_inline void forget_proc(__u32 pid)
{
	if (dials.only_pid == pid)
		dials.only_pid = BPF_NO_PID;
	bpf_map_delete_elem(&procs, &pid);
}

/* After fork everything lies where it lay in the parent, so what is known of it holds for the child at once.  A child that shares
 * the parent's memory until it runs another program (vfork) is no Python process.  Process context: inserting is allowed here. */
static __always_inline bool follow(struct task_struct *parent, struct task_struct *child, struct bpf_proc *proc)
{
	__u32 pid = child->tgid, parent_pid = parent->tgid;
	struct bpf_proc *copy;

	if (bpf_map_update_elem(&procs, &pid, proc, BPF_ANY))
		return false;
	copy = bpf_map_lookup_elem(&procs, &pid);
	if (copy && child->mm == parent->mm)
		copy->python = 0;
	if (dials.only_pid) { /* two from now on: what was learnt in `only_proc` goes with it */
		bpf_map_update_elem(&procs, &parent_pid, proc, BPF_ANY);
		dials.only_pid = 0;
	}
	return true;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	bool thread = child->tgid == parent->tgid, followed;
	struct thread_rec *r;
	struct bpf_proc *proc;
	struct ev_fork *e;

	if (!thread)
		forget_proc(child->tgid);
	proc = proc_of(parent);
	if (!proc)
		return 0;
	followed = follow_children && !thread && follow(parent, child, proc); /* armed or not: user space has looked before */
	if (!dials.armed)
		return 0;
	if (thread || followed) {
		r = rec_of(child, true); /* here rather than at its first switch: process context, the allocation may succeed */
		if (r && thread && follow_children && !proc->python) /* is it Python?  User space asks it now */
			r->announced = send_thread(child, bpf_ktime_get_ns(), 0, child->comm, true);
	}
	if (thread)
		return 0;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_FORK, sizeof(*e), followed ? EV_F_FOLLOWED : 0, pid_tid_of(parent));
	e->t_ns = bpf_ktime_get_ns();
	e->child_pid = pid_of(child);
	e->child_tid = tid_of(child);
	submit_now(e);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p)
{
	struct bpf_proc *proc;
	struct ev_exec *e;

	proc = proc_of(p);
	if (!proc)
		return 0;
	proc->python = 0; /* armed or not: user space has looked for an exec before, and will not again */
	if (!dials.armed)
		return 0;
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_EXEC, sizeof(*e), 0, pid_tid_of(p));
	e->t_ns = bpf_ktime_get_ns();
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), p->comm);
	submit_now(e);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	struct thread_rec *r;
	struct ev_exit *e;
	bool last = p->signal->live.counter == 0;
	__u32 pid = p->tgid;

	if (!proc_of(p))
		return 0;
	if (last && follow_children)
		forget_proc(pid); /* room for others */
	if (!dials.armed)
		return 0;
	r = rec_of(p, false);
	if (r) {
		send_agg(r, pid_tid_of(p));
		r->dead = 1;
	}
	e = reserve(sizeof(*e), EV_LOSS_RING_OTHER);
	if (!e)
		return 0;
	fill_hdr(&e->h, EV_EXIT, sizeof(*e), last ? EV_F_PROCESS : 0, pid_tid_of(p));
	e->t_ns = bpf_ktime_get_ns();
	e->code = p->exit_code;
	e->pad = 0;
	submit(e);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *p, const char *comm)
{
	struct thread_rec *r;

	if (!dials.armed || !proc_of(p))
		return 0;
	r = rec_of(p, false);
	if (r && r->announced)
		send_thread(p, bpf_ktime_get_ns(), EV_F_RENAMED, comm, false);
	return 0;
}

/* --- what is already so at the start, and still so at the end -------------------------------------------------- */

static __always_inline void iter_start(struct task_struct *p, struct bpf_proc *proc)
{
	struct thread_rec *r = rec_of(p, true);
	struct bpf_gil *gil;

	if (!r || r->announced)
		return;
	announce(r, p, dials.start_ns, EV_F_AT_START);
	if (!p->__state || p->on_cpu || r->t_out)
		return;
	read_call(r, p, true);
	r->flags |= EV_F_AT_START;
	if (proc->python && (r->flags & EV_F_FUTEX_WAIT) && (gil = gil_of_word(proc, r->arg0, &r->gil_slot))) {
		classify_word(r, &proc->walk, gil);
		r->gil = gil->addr;
	}
	r->t_out = dials.start_ns;
}

/* The iterator shows the tasks of our pid namespace only, and runs in our own context. */
static __always_inline void iter_find(struct task_struct *p)
{
	struct pid *own = bpf_get_current_task_btf()->thread_pid;

	dials.pid_level = own->level;
	if (p->pid == p->tgid && nested_tid(p) == dials.find_pid)
		dials.found_pid = p->tgid;
}

SEC("iter/task")
int each_task(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct thread_rec *r;
	struct bpf_proc *proc;

	if (p && dials.iter_mode == BPF_ITER_FIND) {
		iter_find(p);
		return 0;
	}
	if (!p || !(proc = proc_of(p)))
		return 0;
	if (dials.iter_mode == BPF_ITER_START) {
		iter_start(p, proc);
		return 0;
	}
	r = rec_of(p, false);
	if (!r || r->dead)
		return 0;
	if (r->t_out)
		send_off(r, pid_tid_of(p), bpf_ktime_get_ns(), EV_F_UNFINISHED);
	else
		send_agg(r, pid_tid_of(p));
	return 0;
}
