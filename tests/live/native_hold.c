/* Functions that a program calls without letting the GIL go (tests/truth/workloads/native_hold.py). */
#include <time.h>
#include <unistd.h>

int hold_asleep(int us);
int hold_busy(int ms);
int hold_within(int us);
int call_through(int (*function)(void));

__attribute__((noinline)) int hold_asleep(int us)
{
	return usleep((useconds_t)us) + 1;
}

static long ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}

__attribute__((noinline)) int hold_busy(int ms)
{
	volatile unsigned long sum = 0;
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (unsigned long i = 0; i < 20000; i++)
			sum += i;
	} while (ms_since(&begin) < ms);
	return (int)sum;
}

/* Its name is not among those that a library exports: it is gone when it is stripped. */
__attribute__((noinline)) static int hold_unnamed(int us)
{
	return usleep((useconds_t)us) + 1;
}

__attribute__((noinline)) int hold_within(int us)
{
	return hold_unnamed(us) + 1;
}

__attribute__((noinline)) int call_through(int (*function)(void))
{
	return function() + 1;
}
