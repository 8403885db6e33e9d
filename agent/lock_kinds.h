#pragma once
/* What kind of lock a recording or a dump calls what was found in a target's memory.
 * Owns: nothing.  Context: any.  Errors: none. */
#include "core/symbols/lock_finder.h"
#include "core/timeline/model.h"

static inline enum lock_kind lock_kind_found(enum found_kind kind)
{
	static const enum lock_kind kinds[FOUND_N] = {
		[FOUND_WORD] = LOCK_FUTEX, [FOUND_LOCK] = LOCK_LOCK, [FOUND_RLOCK] = LOCK_RLOCK, [FOUND_MUTEX] = LOCK_MUTEX,
		[FOUND_SHARED] = LOCK_PROCESS, [FOUND_PYMUTEX] = LOCK_PYMUTEX, [FOUND_OBJECT] = LOCK_OBJECT, [FOUND_SECTION] = LOCK_SECTION,
		[FOUND_STW] = LOCK_STW, [FOUND_STW_REQUEST] = LOCK_STW_REQUEST,
	};

	return kinds[kind];
}
