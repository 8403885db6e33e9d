/* The library's life in a process: asked in by the environment, given shared memory through the door, armed, and inert again
 * when gilscope is gone, has had enough, or anything is not as it should be.  Inert means: no timer, no handler, every interposed
 * call goes straight through. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collectors/signal/preload/preload.h"
#include "collectors/signal/preload/sys.h"

#define DOOR_PATIENCE_MS 1000
#define DOOR_TRIES 50

struct library lib;

/* --- what we stand before --------------------------------------------------------------------------------------------- */

#define STUB(ret, name, params, args) \
	static ret stub_##name params { real_find(); return real.name args; }
STUB(int, cond_wait, (pthread_cond_t *c, pthread_mutex_t *m), (c, m))
STUB(int, cond_timedwait, (pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t), (c, m, t))
STUB(int, cond_clockwait, (pthread_cond_t *c, pthread_mutex_t *m, clockid_t k, const struct timespec *t), (c, m, k, t))
STUB(int, cond_signal, (pthread_cond_t *c), (c))
STUB(int, mutex_lock, (pthread_mutex_t *m), (m))
STUB(int, sem_wait, (sem_t *s), (s))
STUB(int, sem_timedwait, (sem_t *s, const struct timespec *t), (s, t))
STUB(int, sem_clockwait, (sem_t *s, clockid_t k, const struct timespec *t), (s, k, t))
STUB(int, thread_create, (pthread_t *p, const pthread_attr_t *a, void *(*f)(void *), void *x), (p, a, f, x))
STUB(int, sigaction, (int n, const struct sigaction *a, struct sigaction *o), (n, a, o))
STUB(int, execve, (const char *p, char *const a[], char *const e[]), (p, a, e))
STUB(int, execv, (const char *p, char *const a[]), (p, a))
STUB(int, execvp, (const char *p, char *const a[]), (p, a))
STUB(int, execvpe, (const char *p, char *const a[], char *const e[]), (p, a, e))
STUB(int, fexecve, (int f, char *const a[], char *const e[]), (f, a, e))

static void (*stub_signal(int n, void (*f)(int)))(int)
{
	real_find();
	return real.signal(n, f);
}

struct real real = {
	.cond_wait = stub_cond_wait, .cond_timedwait = stub_cond_timedwait, .cond_clockwait = stub_cond_clockwait,
	.cond_signal = stub_cond_signal, .mutex_lock = stub_mutex_lock, .sem_wait = stub_sem_wait,
	.sem_timedwait = stub_sem_timedwait, .sem_clockwait = stub_sem_clockwait, .thread_create = stub_thread_create,
	.sigaction = stub_sigaction, .signal = stub_signal, .execve = stub_execve, .execv = stub_execv, .execvp = stub_execvp,
	.execvpe = stub_execvpe, .fexecve = stub_fexecve,
};

/* glibc only: musl, which gives its own library to whoever asks for glibc's, would refuse to start the program over a name that it lacks. */
extern void *dlvsym(void *, const char *, const char *) __attribute__((weak));
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static bool is_glibc(void)
{
	return dlvsym != NULL;
}

/* pthread_cond_* of x86-64 exist twice: GLIBC_2.2.5 works on another structure.  We stand before the newer ones only
 * (symbols.map), and must call those. */
static void *next(const char *name, const char *version)
{
	void *found = version && is_glibc() ? dlvsym(RTLD_NEXT, name, version) : NULL;

	return found ? found : dlsym(RTLD_NEXT, name);
}

void real_find(void)
{
#ifdef __x86_64__
	const char *cond = "GLIBC_2.3.2";
#else
	const char *cond = NULL;
#endif
	int saved = errno;

	real.cond_wait = next("pthread_cond_wait", cond);
	real.cond_timedwait = next("pthread_cond_timedwait", cond);
	real.cond_clockwait = next("pthread_cond_clockwait", NULL);
	real.cond_signal = next("pthread_cond_signal", cond);
	real.mutex_lock = next("pthread_mutex_lock", NULL);
	real.sem_wait = next("sem_wait", NULL);
	real.sem_timedwait = next("sem_timedwait", NULL);
	real.sem_clockwait = next("sem_clockwait", NULL);
	real.thread_create = next("pthread_create", NULL);
	real.sigaction = next("sigaction", NULL);
	real.signal = next("signal", NULL);
	real.execve = next("execve", NULL);
	real.execv = next("execv", NULL);
	real.execvp = next("execvp", NULL);
	real.execvpe = next("execvpe", NULL);
	real.fexecve = next("fexecve", NULL);
	errno = saved;
}

/* --- what is known of the interpreter ----------------------------------------------------------------------------------- */

static void watch(void)
{
	uint64_t at = lib.n_gils ? lib.gils[0].addr : 0;

	lib.watched_len = 0;
	lib.watched = lib.n_gils == 1 ? at : 0;
	lib.forced = at + lib.walk.gil_forced;
	lib.forced_len = lib.walk.gil_forced_len;
	__atomic_store_n(&lib.watched_len, lib.n_gils > 1 ? UINT64_MAX : lib.gil_size, __ATOMIC_RELEASE);
}

static void config_take(const struct shared_config *c)
{
	uint32_t n = c->n_gils < SHARED_MAX_GILS ? c->n_gils : SHARED_MAX_GILS;

	lib.walk = c->walk;
	lib.tss_offset = c->tss_offset;
	for (uint32_t i = 0; i < n; i++) {
		if (lib.gils[i].addr == c->gils[i].addr)
			continue;
		lib.gils[i].taker = NULL;
		lib.gils[i].waiters = 0;
		lib.gils[i].gc_collecting = c->gils[i].gc_collecting;
		__atomic_store_n(&lib.gils[i].addr, c->gils[i].addr, __ATOMIC_RELEASE);
	}
	lib.gil_queue = c->python && n && c->walk.gil_words == WALK_GIL_IDENT ? c->gils[0].addr + c->walk.gil_forced : 0;
	__atomic_store_n(&lib.n_gils, c->python ? n : 0, __ATOMIC_RELEASE);
	__atomic_store_n(&lib.gil_size, c->python ? c->walk.gil_size : 0, __ATOMIC_RELEASE);
	watch();
}

void config_follow(void)
{
	uint32_t at = __atomic_load_n(&lib.shared->config_at, __ATOMIC_ACQUIRE);

	if (LIKELY(at == lib.config_seen) || __atomic_exchange_n(&lib.config_lock, 1, __ATOMIC_ACQUIRE))
		return; /* somebody else is at it */
	if (at != lib.config_seen) {
		config_take(&lib.shared->config[(at - 1) & 1]);
		lib.config_seen = at;
	}
	__atomic_store_n(&lib.config_lock, 0, __ATOMIC_RELEASE);
}

/* --- the end ------------------------------------------------------------------------------------------------------------- */

void disarm(uint32_t why_not_sampling)
{
	if (!armed() || !__atomic_exchange_n((uint32_t *)lib.guard, 0, __ATOMIC_ACQ_REL))
		return;
	lib.gil_size = lib.gil_queue = lib.watched_len = 0; /* conditions go straight through */
	lib.n_gils = 0;
	samples_end(why_not_sampling);
	__atomic_store_n(&lib.shared->over, 1, __ATOMIC_RELEASE);
}

bool lease_holds(uint64_t now)
{
	if (LIKELY(now <= __atomic_load_n(&lib.shared->lease_ns, __ATOMIC_RELAXED) && !__atomic_load_n(&lib.shared->stop, __ATOMIC_RELAXED)))
		return true;
	disarm(SAMPLING_N);
	return false;
}

/* --- the door: raw system calls, for a forked child may do no more --------------------------------------------------------- */

static int door_receive(int sock)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	struct pollfd poll = { .fd = sock, .events = POLLIN };
	struct timespec patience = { DOOR_PATIENCE_MS / 1000, DOOR_PATIENCE_MS % 1000 * 1000000L };
	char byte;
	struct iovec to = { &byte, 1 };
	struct msghdr m = { .msg_iov = &to, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	int fd;

	if (SYS(ppoll, &poll, 1, &patience, 0) != 1 || SYS(recvmsg, sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1; /* it wants nothing of us */
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int door_knock(uint32_t kind)
{
	struct shared_hello hello = { .magic = SHARED_MAGIC, .kind = kind, .parent = (uint32_t)SYS(getppid, 0) };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct timespec pause = { 0, 1000000 };
	int sock = (int)SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fd = -1;
	long err = -EAGAIN;

	if (sock < 0)
		return -1;
	memcpy(at.sun_path, lib.door, sizeof(lib.door));
	for (int i = 0; err == -EAGAIN && i < DOOR_TRIES; i++) {
		err = SYS(connect, sock, &at, sizeof(at));
		if (err == -EAGAIN)
			SYS(nanosleep, &pause, 0);
	}
	if (!err && SYS(write, sock, &hello, sizeof(hello)) == (long)sizeof(hello))
		fd = door_receive(sock);
	SYS(close, sock);
	return fd;
}

static struct shared *door_enter(uint32_t kind)
{
	int fd = door_knock(kind);
	struct shared *s;
	long at;

	if (fd < 0)
		return NULL;
#ifdef __x86_64__
	at = SYS(mmap, 0, shared_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
#else
	at = SYS(mmap, 0, shared_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
#endif
	SYS(close, fd);
	if (at < 0 && at > -4096)
		return NULL;
	s = (struct shared *)at;
	if (s->magic == SHARED_MAGIC && s->bytes_of_head == sizeof(*s) && s->slots == SHARED_SLOTS)
		return s;
	SYS(munmap, s, shared_bytes());
	return NULL;
}

/* --- the beginning ------------------------------------------------------------------------------------------------------- */

/* Child processes are left alone: they are not to load us.  "A:B" in place, no memory is needed. */
static void leave_environment(void)
{
	for (char **e = environ; e && *e; ) {
		char *value = *e + strlen("LD_PRELOAD="), *end;
		bool drop = !strncmp(*e, SHARED_DOOR_ENV "=", strlen(SHARED_DOOR_ENV "="));

		if (!strncmp(*e, "LD_PRELOAD=", strlen("LD_PRELOAD="))) {
			end = strchr(value, ':'); /* ours is the first */
			if (end)
				memmove(value, end + 1, strlen(end + 1) + 1);
			drop = !end;
		}
		if (!drop) {
			e++;
			continue;
		}
		for (char **f = e; (f[0] = f[1]); f++)
			;
	}
}

static void enter(uint32_t kind)
{
	lib.pid = (uint32_t)SYS(getpid, 0);
	lib.config_seen = lib.config_lock = 0;
	lib.full_until_ns = 0;
	lib.shared = door_enter(kind);
	if (!lib.shared)
		return;
	samples_begin();
	*lib.guard = 1;
	thread_self_slow();
	config_follow();
}

/* The page of the guard is empty in a child, so nothing of ours runs there before this, nor in one that did not come by fork(). */
static void after_fork(void)
{
	bool follow = lib.shared && lib.shared->follow;
	uint32_t signal = (uint32_t)lib.signal;

	if (!lib.shared || armed())
		return;
	SYS(munmap, lib.shared, shared_bytes());
	lib.shared = NULL;
	lib.gil_size = lib.gil_queue = lib.watched_len = lib.n_gils = 0;
	memset(lib.gils, 0, sizeof(lib.gils));
	threads_forget();
	lib.signal = (int)signal;
	if (follow)
		enter(HELLO_FORK);
}

static bool make_guard(void)
{
	long at = SYS(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if ((at < 0 && at > -4096) || SYS(madvise, at, 4096, MADV_WIPEONFORK))
		return false;
	lib.guard = (volatile uint32_t *)at;
	return true;
}

/* Where the door is: said in the environment, or beside us when the process was asked to load us. */
static bool find_door(bool *ret_injected)
{
	const char *said = getenv(SHARED_DOOR_ENV), *slash;
	Dl_info us;
	size_t n;

	*ret_injected = false;
	if (dladdr(&lib, &us) && (slash = strrchr(us.dli_fname, '/')) && !strcmp(slash + 1, SHARED_INJECTED)) {
		n = (size_t)(slash + 1 - us.dli_fname);
		if (n + sizeof(SHARED_DOOR) > sizeof(lib.door))
			return false;
		memcpy(lib.door, us.dli_fname, n);
		memcpy(lib.door + n, SHARED_DOOR, sizeof(SHARED_DOOR));
		*ret_injected = true;
		return true;
	}
	if (!said || strlen(said) >= sizeof(lib.door))
		return false;
	memcpy(lib.door, said, strlen(said));
	return true;
}

/* glibc's pthread_atfork is a stub linked into each library, around what it really calls. */
static void ask_after_fork(void)
{
	int (*atfork)(void (*)(void), void (*)(void), void (*)(void));

	if (__register_atfork) {
		__register_atfork(NULL, NULL, after_fork, &__dso_handle);
		return;
	}
	atfork = (int (*)(void (*)(void), void (*)(void), void (*)(void)))dlsym(RTLD_NEXT, "pthread_atfork");
	if (atfork)
		atfork(NULL, NULL, after_fork);
}

static __attribute__((constructor)) void begin(void)
{
	bool injected;

	lib.glibc = is_glibc();
	real_find();
	if (!find_door(&injected) || getauxval(AT_SECURE) || getuid() != geteuid() || getgid() != getegid() || !make_guard())
		return;
	enter(injected ? HELLO_INJECTED : HELLO_PROGRAM);
	if (!injected && (!lib.shared || !lib.shared->follow))
		leave_environment();
	if (lib.shared && injected) {
		threads_foresee();
		linkage_change();
		__atomic_store_n(&lib.shared->inside, 1, __ATOMIC_RELEASE);
	}
	if (lib.shared)
		ask_after_fork();
}
