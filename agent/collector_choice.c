/* See collector_choice.h. */
#include "agent/collector_choice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/util/strbuf.h"

const struct collector_offer collector_offers[] = {
	{ "bpf", &collector_bpf, "CAP_BPF and CAP_PERFMON (or root), Linux 5.15 with BTF",
	  "every wait, every thread state, exactly", false, false },
	{ "signal", &collector_signal, "to start the program itself", "every wait of the program it starts, exactly", true, true },
	{ "remote", &collector_remote, "permission to ptrace the process (same user)", "samples; waits and holds are estimates", false, false },
	{ NULL, NULL, NULL, NULL, false, false },
};

static const struct collector_offer *find(const char *name)
{
	for (const struct collector_offer *o = collector_offers; o->name; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

bool collector_name_known(const char *name)
{
	return !strcmp(name, COLLECTOR_AUTO) || find(name);
}

int collector_offer_usable(const struct collector_offer *o, const struct collector_request *request, struct fail *why)
{
	if (!o->ops)
		return fail_set(why, -ENOTSUP, FAIL_MACHINE, "could not use the %s collector: this gilscope was built without it", o->name);
	if (request->inject && !o->injects)
		return fail_set(why, -EINVAL, FAIL_USAGE, "could not use the %s collector: it puts nothing into a process, so not with --inject", o->name);
	if (o->start_only && !request->start && !request->inject) {
		fail_set(why, -EINVAL, FAIL_USAGE, "could not use the %s collector: it only records a command that it starts", o->name);
		return fail_hint(why, "gilscope record --collector %s -- COMMAND; --inject puts it into a running Python 3.14 or newer.", o->name);
	}
	if (request->native && !o->ops->copies_stacks) {
		fail_set(why, -ENOTSUP, FAIL_MACHINE, "could not use the %s collector: it has no native frames", o->name);
		return fail_hint(why, "Leave out --native.");
	}
	return o->ops->usable(request, why);
}

/* "could not load the eBPF programs: Operation not permitted" without its first words, which the sentence has already. */
static const char *reason(const struct fail *why)
{
	static const char could_not_use[] = "could not use the ";
	const char *colon;

	if (strncmp(why->what, could_not_use, sizeof(could_not_use) - 1))
		return why->what;
	colon = strstr(why->what, ": ");
	return colon ? colon + 2 : why->what;
}

static void say(struct collector_choice *ret, const struct collector_offer *o, const char *because)
{
	size_t n = sizeof(ret->said);
	int at = snprintf(ret->said, n, "%s: %s", o->name, o->sees);

	ret->ops = o->ops;
	if (*because && at > 0 && (size_t)at < n)
		snprintf(ret->said + at, n - (size_t)at, "; %s", because);
}

static int choose_best(struct collector_choice *ret, const struct collector_request *request, struct fail *why)
{
	autostrbuf because = STRBUF_INIT;
	struct fail first = { 0 };

	for (const struct collector_offer *o = collector_offers; o->name; o++) {
		struct fail not = { 0 };

		if (!collector_offer_usable(o, request, &not)) {
			say(ret, o, because.n ? because.s : "");
			return 0;
		}
		if (o == collector_offers)
			first = not;
		strbuf_addf(&because, "%snot %s: %s", because.n ? "; " : "", o->name, reason(&not));
	}
	*why = first; /* what would give most */
	return why->err;
}

int collector_choose(struct collector_choice *ret, const char *name, const struct collector_request *request, struct fail *why)
{
	const struct collector_offer *o;
	int err;

	if (!name || !strcmp(name, COLLECTOR_AUTO))
		return choose_best(ret, request, why);
	o = find(name);
	if (!o)
		return fail_set(why, -EINVAL, FAIL_USAGE, "could not use '%.32s' as a collector: none of auto, bpf, signal, remote", name);
	err = collector_offer_usable(o, request, why);
	if (!err)
		say(ret, o, "as asked for");
	return err;
}
