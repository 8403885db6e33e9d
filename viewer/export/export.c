/* See export.h: the table of formats. */
#include "viewer/export/export.h"

#include <string.h>

const struct export_format export_formats[] = {
	{"collapsed", ".collapsed", "stacks as lines 'thread;outer;inner N', N in microseconds (flamegraph.pl, speedscope, inferno)",
	 export_collapsed},
	{"csv", ".csv", "any view of the recording (--view, FORMAT.md) as comma-separated values", export_csv},
	{"firefox", ".profile.json", "Firefox Profiler: a track per thread, waits as markers with their stacks", export_firefox},
	{"openmetrics", ".prom", "sums as OpenMetrics text, for a textfile collector", export_openmetrics},
	{"perfetto", ".pftrace", "Perfetto: a track per thread and lock, arrows from holder to waiter", export_perfetto},
	{"pprof", ".pb.gz", "pprof: contentions and delay by stack, or CPU time", export_pprof},
	{"speedscope", ".speedscope.json", "speedscope: waits by stack, then each thread over time", export_speedscope},
	{0},
};

const struct export_format *export_format_find(const char *name)
{
	for (const struct export_format *f = export_formats; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

const struct export_format *export_format_of_file(const char *path)
{
	size_t n = strlen(path);

	for (const struct export_format *f = export_formats; f->name; f++) {
		size_t m = strlen(f->ending);

		if (n > m && !strcmp(path + n - m, f->ending))
			return f;
	}
	return NULL;
}
