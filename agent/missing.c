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

#include "core/analysis/summary.h"
#include "viewer/json/json.h"
#include "viewer/text/text.h"
#define WEAK __attribute__((weak))
WEAK int summary_load(struct summary **ret, const char *path, struct fail *why)
{
	(void)ret;
	return fail_set(why, -ENOSYS, FAIL_DATA, "could not read '%.64s': not written yet", path);
}
WEAK void summary_free(struct summary *s) { (void)s; }
WEAK int json_report(FILE *out, const struct summary *s) { (void)out, (void)s; return 0; }
WEAK void text_report(FILE *out, const struct summary *s, const struct text_options *o) { (void)out, (void)s, (void)o; }
WEAK void text_verdict(FILE *out, const struct summary *s, const struct text_options *o) { (void)out, (void)s, (void)o; }
