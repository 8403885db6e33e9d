/* See stop.h. */
#include "agent/stop.h"

#include <stddef.h>

volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
	if (stop_requested) { /* the user insists: die of it, so that the shell sees which signal it was */
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	stop_requested = number;
}

void stop_on_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: poll is to wake up */
	struct sigaction old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* nohup and background jobs of a script ignore signals on purpose; SIGINT of such a job stays usable */
		if (numbers[i] == SIGHUP && !sigaction(SIGHUP, NULL, &old) && old.sa_handler == SIG_IGN)
			continue;
		sigaction(numbers[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
