
FUZZERS += fuzz_walk
fuzz_walk_SRCS :=

INTERP_WALKERS := core/interp/code.c core/interp/debug_offsets.c core/interp/frames.c core/interp/gil.c core/interp/instance.c \
	core/interp/layout.c core/interp/linetable.c core/interp/pydict.c core/interp/pystr.c core/interp/runtime.c core/interp/statics.c \
	core/interp/task_list.c core/interp/tasks.c core/interp/thread_names.c core/interp/threads.c core/interp/world.c core/interp/gil_choice.c core/interp/lock_object.c core/util/fail.c

FUZZERS += fuzz_linetable
fuzz_linetable_SRCS := core/interp/linetable.c

FUZZERS += fuzz_maps
fuzz_maps_SRCS := core/target/proc_maps.c core/target/proc_task.c core/util/vec.c core/util/xalloc.c

FUZZERS += fuzz_interp
fuzz_interp_SRCS := $(INTERP_WALKERS)

FUZZERS += fuzz_store
fuzz_store_SRCS := $(STORE_UNIT) tests/unit/store_read_all.c

FUZZERS += fuzz_events
fuzz_events_SRCS := $(REPLAY_SRCS)

FUZZERS += fuzz_native
fuzz_native_SRCS := core/event/event_names.c core/symbols/native_stack.c

FUZZERS += fuzz_eh_frame
fuzz_eh_frame_SRCS := core/symbols/eh_frame.c
