/* Structures called as CPython 3.9's, with members elsewhere: what tests/unit/test_dwarf_layout.c finds in its own debug information. */
#include <stdint.h>

struct _frame;
typedef struct _is {
	struct _is *next;
	struct _ts *tstate_head;
	int64_t id;
} PyInterpreterState;

typedef struct _ts {
	char moved[24];
	struct _ts *prev;
	struct _ts *next;
	PyInterpreterState *interp;
	struct _frame *frame;
	char more[100];
	unsigned long thread_id;
} PyThreadState;

struct _gil_runtime_state {
	long debug;
	unsigned long interval;
	void *last_holder;
	int locked;
};

typedef struct pyruntimestate {
	int initialized;
	struct {
		void *mutex;
		PyInterpreterState *head;
	} interpreters;
	struct {
		int other;
		struct _gil_runtime_state gil;
	} ceval;
} _PyRuntimeState;

typedef struct _frame { /* also where a later version's interpreter frame has other members */
	void *refs[4];
	struct _frame *f_back;
	int f_lasti;
} PyFrameObject;

extern _PyRuntimeState moved_runtime;
extern PyThreadState moved_thread;
extern PyFrameObject moved_frame;
_PyRuntimeState moved_runtime;
PyThreadState moved_thread;
PyFrameObject moved_frame;
