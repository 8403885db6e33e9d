/* See pid_list.h. */
#include "agent/pid_list.h"

#include <stdio.h>
#include <string.h>

#include "agent/ui.h"
#include "core/util/number.h"

static int add_one(struct pid_list *list, const char *text, struct fail *why)
{
	uint64_t pid;

	if (number_parse(text, 1, 1 << 22, &pid)) { /* PID_MAX_LIMIT */
		ui_usage(why, "could not use '%.64s' as a process id: not a number from 1 to 4194304", text);
		if (text[0] >= 'A')
			fail_hint(why, "To find it by name: -p \"$(pgrep -f '%.64s')\"", text);
		return EINVAL;
	}
	for (unsigned i = 0; i < list->n; i++)
		if (list->pids[i] == (pid_t)pid)
			return 0;
	if (list->n == PID_LIST_MAX)
		return ui_usage(why, "could not take more than %d processes", PID_LIST_MAX);
	list->pids[list->n++] = (pid_t)pid;
	return 0;
}

/* Commas and white space separate, so that -p "$(pgrep -f server)" works. */
int pid_list_add(struct pid_list *list, const char *text, struct fail *why)
{
	static const char separators[] = ", \t\n";
	unsigned found = 0;
	char one[64];

	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		size_t len = strcspn(text, separators);
		int err;

		snprintf(one, sizeof(one), "%.*s", (int)(len < sizeof(one) ? len : sizeof(one) - 1), text);
		err = add_one(list, one, why);
		if (err)
			return err;
		text += len;
		found++;
	}
	return found ? 0 : ui_usage(why, "could not use an empty process id");
}
