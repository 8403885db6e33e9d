/* The words of the model, as they appear in reports and in text forms (report-json.md). */
#include "core/timeline/model.h"

const char *const thread_state_names[STATE_N] = {
	[STATE_GIL] = "gil",
	[STATE_NOGIL] = "nogil",
	[STATE_WAIT_GIL] = "wait_gil",
	[STATE_WAIT_LOCK] = "wait_lock",
	[STATE_BLOCKED] = "blocked",
	[STATE_SLEEP] = "sleep",
	[STATE_RUNNABLE] = "runnable",
	[STATE_UNKNOWN] = "unknown",
};

const char *const lock_kind_names[LOCK_KIND_N] = {
	[LOCK_GIL] = "gil",
	[LOCK_FUTEX] = "futex",
	[LOCK_MUTEX] = "mutex",
	[LOCK_PROCESS] = "mp_semaphore",
	[LOCK_LOCK] = "thread_lock",
	[LOCK_RLOCK] = "rlock",
	[LOCK_SEMAPHORE] = "semaphore",
	[LOCK_IMPORT] = "import",
	[LOCK_CONDITION] = "condition",
	[LOCK_EVENT] = "event",
	[LOCK_BARRIER] = "barrier",
	[LOCK_QUEUE_GET] = "queue_get",
	[LOCK_QUEUE_PUT] = "queue_put",
	[LOCK_QUEUE_JOIN] = "queue_join",
	[LOCK_JOIN] = "join",
	[LOCK_FUTURE] = "future",
	[LOCK_PYMUTEX] = "pymutex",
	[LOCK_OBJECT] = "object",
	[LOCK_SECTION] = "critical_section",
	[LOCK_STW] = "stw",
	[LOCK_STW_REQUEST] = "stw_request",
};

const char *const wait_end_names[WAIT_END_N] = {
	[WAIT_VOLUNTARY] = "voluntary",
	[WAIT_FORCED] = "forced",
	[WAIT_UNFINISHED] = "unfinished",
	[WAIT_GAVE_UP] = "gave_up",
	[WAIT_END_UNKNOWN] = "unknown",
};

const char *const holder_state_names[HOLDER_STATE_N] = {
	[HOLDER_RUNNING] = "running",
	[HOLDER_BLOCKED] = "blocked",
	[HOLDER_PREEMPTED] = "preempted",
	[HOLDER_UNKNOWN] = "unknown",
};
