/* See embedded.h. */
#include "collectors/signal/embedded.h"

EMBED(preload_so, GILSCOPE_PRELOAD_FILE);

struct embedded preload_library(void)
{
	return EMBEDDED(preload_so, NULL);
}
