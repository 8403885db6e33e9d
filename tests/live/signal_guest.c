/* A program as the signal collector's tests need one: it blocks in many ways while its threads' timers fire, and tells in JSON what came
 * back.  Built like any program; it knows nothing of gilscope.
 *   signal_guest eintr ROUNDS   how often each call came back with EINTR
 *   signal_guest errno          whether contended waits leave errno alone
 *   signal_guest waits N MS     N contended mutex, semaphore and condition waits of MS each, and how long they took in all
 *   signal_guest events N       says "up"; told to by a line, N contended waits as fast as two threads can */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"

static volatile unsigned long sink;

static void burn_ns(uint64_t ns)
{
	uint64_t until = clock_now_ns() + ns;

	while (clock_now_ns() < until)
		for (int i = 0; i < 1000; i++)
			sink += (unsigned long)i;
}

/* --- calls that a signal may interrupt ---------------------------------------------------------------------------------- */

#define WAIT_MS 3
static int pipes[2], sockets[2], epoll_fd;
static sem_t never;
static const struct timespec soon = { 0, WAIT_MS * 1000000 };

static struct timespec in_a_while(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += WAIT_MS * 1000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	return t;
}

static int call_nanosleep(void) { return nanosleep(&soon, NULL); }
static int call_clock_nanosleep(void) { errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL); return errno ? -1 : 0; }
static int call_poll(void) { struct pollfd p = { .fd = pipes[0], .events = POLLIN }; return poll(&p, 1, WAIT_MS); }
static int call_epoll(void) { struct epoll_event e; return epoll_wait(epoll_fd, &e, 1, WAIT_MS); }
static int call_select(void) { struct timeval t = { 0, WAIT_MS * 1000 }; return select(0, NULL, NULL, NULL, &t); }
static int call_recv_timeout(void) { char c; return (int)recv(sockets[0], &c, 1, 0); }
static int call_sem_timedwait(void) { struct timespec t = in_a_while(); return sem_timedwait(&never, &t); }
static int call_sem_clockwait(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += WAIT_MS * 1000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	return sem_clockwait(&never, CLOCK_MONOTONIC, &t);
}

/* These are woken by somebody else after a while. */
static void *write_later(void *fd)
{
	nanosleep(&soon, NULL);
	return write(*(int *)fd, "", 1) == 1 ? NULL : fd;
}

static int call_read(void)
{
	pthread_t writer;
	char c;
	ssize_t n;

	pthread_create(&writer, NULL, write_later, &pipes[1]);
	burn_ns(500000);
	n = read(pipes[0], &c, 1);
	int saved = errno;
	pthread_join(writer, NULL);
	if (n != 1 && read(pipes[0], &c, 1) != 1)
		abort();
	errno = saved;
	return n == 1 ? 0 : -1;
}

static void *post_later(void *sem)
{
	nanosleep(&soon, NULL);
	sem_post(sem);
	return NULL;
}

static int call_sem_wait(void)
{
	pthread_t poster;
	int err, saved;

	pthread_create(&poster, NULL, post_later, &never);
	burn_ns(500000);
	err = sem_wait(&never);
	saved = errno;
	pthread_join(poster, NULL);
	if (err)
		sem_trywait(&never);
	errno = saved;
	return err;
}

static int call_waitpid(void)
{
	pid_t pid = fork();
	int status, n, saved;

	if (!pid) {
		nanosleep(&soon, NULL);
		_exit(0);
	}
	n = waitpid(pid, &status, 0);
	saved = errno;
	if (n != pid)
		waitpid(pid, &status, 0);
	errno = saved;
	return n == pid ? 0 : -1;
}

static const struct { const char *name; int (*call)(void); } calls[] = {
	{ "read", call_read }, { "waitpid", call_waitpid }, { "sem_wait", call_sem_wait },
	{ "nanosleep", call_nanosleep }, { "clock_nanosleep", call_clock_nanosleep }, { "poll", call_poll }, { "epoll_wait", call_epoll },
	{ "select", call_select }, { "recv_timeout", call_recv_timeout }, { "sem_timedwait", call_sem_timedwait },
	{ "sem_clockwait", call_sem_clockwait },
};

static int eintr(int rounds)
{
	struct timeval t = { 0, WAIT_MS * 1000 };

	if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)))
		return 1;
	epoll_fd = epoll_create1(0);
	sem_init(&never, 0, 0);
	printf("{");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int interrupted = 0;

		for (int k = 0; k < rounds; k++) {
			burn_ns((uint64_t)(200000 + k * 7919 % 100000)); /* the timer's moment wanders over the call */
			errno = 0;
			interrupted += calls[i].call() == -1 && errno == EINTR;
		}
		printf("%s\"%s\": %d", i ? ", " : "", calls[i].name, interrupted);
	}
	printf("}\n");
	return 0;
}

/* --- contended waits ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static uint64_t hold_ns;
static volatile int turn;

static void pause_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	nanosleep(&t, NULL);
}

static void *hold_mutex(void *unused)
{
	pthread_mutex_lock(&mutex);
	turn = 1;
	pause_ns(hold_ns);
	pthread_mutex_unlock(&mutex);
	return unused;
}

static void *post(void *unused)
{
	pause_ns(hold_ns);
	sem_post(&sem);
	return unused;
}

static void *wake(void *unused)
{
	pause_ns(hold_ns);
	pthread_mutex_lock(&mutex);
	turn = 2;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&mutex);
	return unused;
}

static uint64_t wait_mutex(void)
{
	pthread_t other;
	uint64_t t;

	turn = 0;
	pthread_create(&other, NULL, hold_mutex, NULL);
	while (!turn)
		sched_yield();
	t = clock_now_ns();
	pthread_mutex_lock(&mutex);
	t = clock_now_ns() - t;
	pthread_mutex_unlock(&mutex);
	pthread_join(other, NULL);
	return t;
}

static uint64_t wait_sem(void)
{
	pthread_t other;
	uint64_t t = clock_now_ns();

	pthread_create(&other, NULL, post, NULL);
	t = clock_now_ns();
	sem_wait(&sem);
	t = clock_now_ns() - t;
	pthread_join(other, NULL);
	return t;
}

static uint64_t wait_cond(void)
{
	pthread_t other;
	uint64_t t;

	turn = 0;
	pthread_mutex_lock(&mutex);
	pthread_create(&other, NULL, wake, NULL);
	t = clock_now_ns();
	while (turn != 2)
		pthread_cond_wait(&cond, &mutex);
	t = clock_now_ns() - t;
	pthread_mutex_unlock(&mutex);
	pthread_join(other, NULL);
	return t;
}

static int waits(int n, int ms)
{
	uint64_t mutex_ns = 0, sem_ns = 0, cond_ns = 0;

	hold_ns = (uint64_t)ms * NS_PER_MS;
	sem_init(&sem, 0, 0);
	for (int i = 0; i < n; i++) {
		mutex_ns += wait_mutex();
		sem_ns += wait_sem();
		cond_ns += wait_cond();
	}
	printf("{\"mutex\": %llu, \"sem\": %llu, \"cond\": %llu, \"mutex_at\": %llu, \"sem_at\": %llu, \"cond_at\": %llu}\n",
	       (unsigned long long)mutex_ns, (unsigned long long)sem_ns, (unsigned long long)cond_ns, (unsigned long long)(uintptr_t)&mutex,
	       (unsigned long long)(uintptr_t)&sem, (unsigned long long)(uintptr_t)&cond);
	return 0;
}

static int keeps_errno(void)
{
	int bad = 0;

	hold_ns = NS_PER_MS;
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 20; i++) {
		errno = 4242;
		wait_mutex();
		bad += errno != 4242;
		errno = 4242;
		wait_sem();
		bad += errno != 4242;
		errno = 4242;
		wait_cond();
		bad += errno != 4242;
	}
	errno = 4242;
	burn_ns(300 * NS_PER_MS); /* samples */
	bad += errno != 4242;
	printf("{\"bad\": %d}\n", bad);
	return 0;
}

/* --- many ------------------------------------------------------------------------------------------------------------------ */

static sem_t ping, pong;

static void *answer(void *rounds)
{
	for (long n = *(long *)rounds; n; n--) {
		sem_wait(&ping);
		sem_post(&pong);
	}
	return NULL;
}

static int events(long n)
{
	pthread_t other;

	puts("up");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	sem_init(&ping, 0, 0);
	sem_init(&pong, 0, 0);
	pthread_create(&other, NULL, answer, &n);
	for (long i = 0; i < n; i++) {
		sem_post(&ping);
		sem_wait(&pong);
	}
	pthread_join(other, NULL);
	printf("{\"rounds\": %ld}\n", n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : 100;

	if (!strcmp(what, "eintr"))
		return eintr((int)n);
	if (!strcmp(what, "errno"))
		return keeps_errno();
	if (!strcmp(what, "waits"))
		return waits((int)n, argc > 3 ? (int)strtol(argv[3], NULL, 10) : 10);
	if (!strcmp(what, "events"))
		return events(n);
	return 2;
}
