/* replay FILE.events: runs the timeline over events in text form (core/event/event_text.h) and prints its rows.
 * Two more lines are understood: `start TIME` (begin of the recording, before any event) and `finish TIME`.
 * Exit code 1: a rule that must hold for any input is broken (tests/golden/timeline_check.c), 2: not a file of events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/event/event_text.h"
#include "tests/golden/timeline_check.h"

struct replay {
	struct timeline_check *check;
	struct timeline *timeline;
	uint64_t start_ns;
};

static int directive(struct replay *r, const char *line)
{
	size_t word = strcspn(line, " \t\n"), len;
	const char *value = line + word + strspn(line + word, " \t");
	uint64_t ns;

	len = strcspn(value, " \t\r\n#");
	if (!strncmp(line, "start", word) && word == 5 && !event_time_parse(value, len, &ns)) {
		r->start_ns = ns;
		return 1;
	}
	if (!strncmp(line, "finish", word) && word == 6 && !event_time_parse(value, len, &ns)) {
		if (r->timeline)
			timeline_finish(r->timeline, ns);
		return 1;
	}
	return 0;
}

static int feed_line(struct replay *r, const char *line, char *why, size_t why_len)
{
	static union event_any e;
	int err;

	if (directive(r, line))
		return 0;
	err = event_parse(line, &e, why, why_len);
	if (err)
		return err < 0 ? err : 0;
	if (!r->timeline) {
		struct timeline_config config = { .start_ns = r->start_ns };

		r->timeline = timeline_new(&config, check_sink(r->check));
	}
	timeline_feed(r->timeline, &e.h);
	return 0;
}

static int feed_file(struct replay *r, const char *name)
{
	FILE *f = fopen(name, "r");
	char *line = NULL, why[256];
	size_t cap = 0;
	int err = 0;

	if (!f) {
		fprintf(stderr, "replay: could not open %s: %s\n", name, strerror(errno));
		return -errno;
	}
	for (int n = 1; !err && getline(&line, &cap, f) >= 0; n++) {
		err = feed_line(r, line, why, sizeof(why));
		if (err)
			fprintf(stderr, "replay: %s:%d: %s\n", name, n, why);
	}
	free(line);
	fclose(f);
	return err;
}

int main(int argc, char **argv)
{
	struct replay r = { .check = check_new() };
	size_t broken = 0;
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: replay FILE.events\n");
		return 2;
	}
	err = feed_file(&r, argv[1]);
	if (!err && r.timeline) {
		timeline_finish(r.timeline, 0); /* if the file does not */
		broken = check_verify(r.check, stdout);
		check_print(r.check, stdout, timeline_oddities(r.timeline));
	}
	timeline_free(r.timeline);
	check_free(r.check);
	return err ? 2 : broken ? 1 : 0;
}
