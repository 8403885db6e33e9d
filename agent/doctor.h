#pragma once
/* What `gilscope doctor` looks at: tables of checks, each {what, probe, why it matters, the one line to paste}.
 * doctor_machine.c: kernel and settings; doctor_rights.c: privileges and containers; doctor_target.c: one process.
 * Owns: nothing.  Context: main thread.  Errors: none, what cannot be found out is a finding. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum finding_level {
	FINDING_OK,
	FINDING_NOTE, /* worth knowing, costs nothing */
	FINDING_WARN, /* recording works, with less in it */
	FINDING_FAIL, /* recording would not work */
	FINDING_SKIP, /* an earlier failure makes it moot */
};

struct finding {
	enum finding_level level;
	char found[256];
	char paste[768]; /* replaces the check's own line to paste when set */
	char hint[768]; /* sentences, where no single line would do */
};

/* What the checks share. */
struct doctor {
	pid_t pid; /* 0: no target asked about */
	uint64_t caps, caps_bound; /* effective, and what sudo or setcap could give; from /proc/self/status */
	bool initial_userns, initial_pidns;
	char container[32]; /* "docker", "podman", "kubernetes", … or empty */
	char program[256]; /* our own path, for setcap */
	struct target *target; /* set by the check that opens it */
};

struct check {
	const char *what;
	void (*probe)(struct doctor *d, const struct check *c, struct finding *ret);
	const char *why;
	const char *paste; /* NULL: nothing a single line could do */
	int arg;
};

extern const struct check machine_checks[], rights_checks[], target_checks[]; /* end with what == NULL */

void doctor_init(struct doctor *d, pid_t pid);
void doctor_done(struct doctor *d);
bool doctor_has_cap(const struct doctor *d, int cap);
void finding_set(struct finding *f, enum finding_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The line that grants the privileges here: setcap, docker or kubectl. */
void finding_paste_rights(struct finding *f, const struct doctor *d);
