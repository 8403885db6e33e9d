#pragma once
/* ev_off.parked_as: what lies at the address for which CPython has parked a thread, told by core/interp/parked.h.
 * Owns: nothing.  Context: any, BPF included.  Errors: none. */

enum ev_parked {
	EV_PARKED_NOT, /* … or that was not looked at */
	EV_PARKED_ELSEWHERE, /* anything: an event, a queue */
	EV_PARKED_MUTEX, /* a locked PyMutex of the interpreter or an extension */
	EV_PARKED_LOCK, /* … of a Python object whose first member it is: Lock, RLock */
	EV_PARKED_OBJECT, /* … in the head of a Python object (free-threaded builds) */
	EV_PARKED_SECTION, /* another one, inside a critical section */
	EV_PARKED_STOPPED, /* another thread has stopped the world */
	EV_PARKED_STOPPING, /* it has asked all others to stop */
	EV_PARKED_N
};
