#pragma once
/* SIGINT, SIGTERM, SIGHUP: the first asks the recording to finish in good order, the second ends the program at once.
 * SIGPIPE and SIGXFSZ are ignored: a closed terminal or a file limit must not cost the recording its end.
 * Owns: the handlers.  Context: main thread.  Errors: none. */
#include <signal.h>

extern volatile sig_atomic_t stop_requested; /* the signal's number */
void stop_on_signals(void);
