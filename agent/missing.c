/* Stands in for what is not written yet; removed when it is. */
#include <errno.h>

#include "agent/command.h"
#include "agent/session.h"
#include "agent/ui.h"

__attribute__((weak)) int cmd_dump(int argc, char **argv)
{
	(void)argc, (void)argv;
	ui_note("could not dump: not written yet");
	return EXIT_CODE_FAILED;
}

__attribute__((weak)) int session_run(const struct session_options *options, struct session_result *ret, struct fail *why)
{
	(void)options, (void)ret;
	return fail_set(why, -ENOSYS, FAIL_OTHER, "could not record: not written yet");
}

#include "core/target/target.h"
#define WEAK __attribute__((weak))
WEAK int target_open(struct target **ret, pid_t pid, const struct target_options *options, struct fail *why)
{
	(void)ret, (void)options;
	return fail_set(why, -ENOSYS, FAIL_ATTACH, "could not attach to %d: not written yet", pid);
}
WEAK void target_free(struct target *t) { (void)t; }
WEAK const struct runtime *target_runtime(const struct target *t) { (void)t; return NULL; }
WEAK uint64_t target_tss_offset(const struct target *t) { (void)t; return 0; }
WEAK int target_threads(struct target *t, bool want_names, struct target_thread **ret, unsigned *ret_n)
{
	(void)t, (void)want_names, (void)ret, (void)ret_n;
	return -ENOSYS;
}
WEAK int cmd_report(int argc, char **argv) { (void)argc, (void)argv; return 1; }
