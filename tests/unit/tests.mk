# Unit tests: NAME of tests/unit/NAME.c, and exactly the product files each links.  (cmocka is linked to all.)
# Programs that golden, live or bench tests call go into TEST_TOOLS with their path; extra libraries into NAME_LIBS.

UNIT_TESTS += test_escape
test_escape_SRCS := core/util/escape.c core/util/strbuf.c core/util/xalloc.c

UNIT_TESTS += test_fail
test_fail_SRCS := core/util/fail.c

UNIT_TESTS += test_number
test_number_SRCS := core/util/file.c core/util/number.c

UNIT_TESTS += test_human
test_human_SRCS := core/util/duration.c core/util/human.c

UNIT_TESTS += test_memory
test_memory_SRCS := core/util/arena.c core/util/pool.c core/util/strbuf.c core/util/vec.c core/util/xalloc.c

UNIT_TESTS += test_paired
test_paired_SRCS := core/analysis/paired.c core/util/xalloc.c

UNIT_TESTS += test_regression
test_regression_SRCS := core/analysis/metric_infos.c core/analysis/paired.c core/analysis/regression.c core/util/xalloc.c

UNIT_TESTS += test_check
test_check_SRCS := $(filter viewer/check/%,$(VIEWER_SRCS)) viewer/json/stream.c viewer/text/page.c core/analysis/metric_infos.c \
	core/analysis/paired.c core/analysis/regression.c core/util/escape.c core/util/human.c core/util/strbuf.c core/util/xalloc.c

UNIT_TESTS += test_detail
test_detail_SRCS := collectors/bpf/detail.c

UNIT_TESTS += test_remote_inside
test_remote_inside_SRCS := collectors/remote/inside.c

UNIT_TESTS += test_remote_pace
test_remote_pace_SRCS := collectors/remote/pace.c

UNIT_TESTS += test_remote_ring
test_remote_ring_SRCS := collectors/remote/ring.c core/event/event_names.c

UNIT_TESTS += test_remote_track
test_remote_track_SRCS := collectors/remote/track.c

UNIT_TESTS += test_images
test_images_SRCS := tests/images/image.c tests/images/image_walk.c $(INTERP_SRCS) core/util/fail.c core/util/vec.c core/util/xalloc.c
test_images_LIBS := -lz

UNIT_TESTS += test_layout
test_layout_SRCS := $(INTERP_SRCS) core/util/fail.c

UNIT_TESTS += test_linetable
test_linetable_SRCS := core/interp/linetable.c

UNIT_TESTS += test_dwarf_layout
test_dwarf_layout_SRCS := tests/unit/moved_structs/ceval.c core/target/dwarf_layout.c core/target/elf_file.c $(INTERP_SRCS) core/util/fail.c \
	core/util/xalloc.c
test_dwarf_layout_LIBS := -ldw -lelf

UNIT_TESTS += test_mapped_file
test_mapped_file_SRCS := $(TARGET_SRCS) $(INTERP_SRCS) $(UTIL_SRCS) core/event/event_names.c
test_mapped_file_LIBS := -ldw -lelf -lz

UNIT_TESTS += test_machine_code
test_machine_code_SRCS := core/target/machine_code.c

UNIT_TESTS += test_find_pypy
test_find_pypy_SRCS := tests/images/image.c core/target/find_pypy.c core/target/machine_code.c core/target/elf_file.c $(INTERP_SRCS) core/util/fail.c \
	core/util/vec.c core/util/xalloc.c
test_find_pypy_LIBS := -lelf -lz

UNIT_TESTS += test_native_stack
test_native_stack_SRCS := core/symbols/native_stack.c

UNIT_TESTS += test_eh_frame
test_eh_frame_SRCS := core/symbols/eh_frame.c

UNIT_TESTS += test_unwind
test_unwind_SRCS := core/symbols/eh_frame.c core/symbols/native_stack.c core/symbols/unwind.c core/symbols/unwind_child.c core/symbols/unwind_modules.c $(TARGET_SRCS) $(INTERP_SRCS) $(UTIL_SRCS) \
	core/event/event_names.c
test_unwind_LIBS := -ldw -lelf -lz

UNIT_TESTS += test_proc
test_proc_SRCS := core/target/proc_maps.c core/target/proc_task.c core/util/vec.c core/util/xalloc.c

UNIT_TESTS += test_parked
test_parked_SRCS := $(INTERP_SRCS) core/util/fail.c

UNIT_TESTS += test_cond_list
test_cond_list_SRCS := $(INTERP_SRCS) core/util/fail.c

UNIT_TESTS += test_pystr
test_pystr_SRCS := $(INTERP_SRCS) core/util/fail.c

TEST_TOOLS += tests/images/record_image
record_image_SRCS := tests/images/image.c tests/images/image_walk.c $(INTERP_SRCS) $(TARGET_SRCS) $(UTIL_SRCS)
record_image_LIBS := -lz

STORE_UNIT := $(STORE_SRCS) core/timeline/lock_place.c core/timeline/model.c core/util/arena.c core/util/escape.c core/util/fail.c \
	core/util/pool.c core/util/strbuf.c core/util/vec.c core/util/xalloc.c

UNIT_TESTS += test_store
test_store_SRCS := $(STORE_UNIT)

UNIT_TESTS += test_store_damage
test_store_damage_SRCS := $(STORE_UNIT) tests/unit/store_read_all.c

UNIT_TESTS += test_store_file
test_store_file_SRCS := $(STORE_UNIT)

TEST_TOOLS += tests/bench/synthetic_recording
synthetic_recording_SRCS := $(STORE_UNIT)

TEST_TOOLS += tests/bench/bench_store
bench_store_SRCS := $(STORE_UNIT)

REPLAY_SRCS := $(TIMELINE_SRCS) $(EVENT_SRCS) core/util/vec.c core/util/xalloc.c tests/golden/timeline_check.c

TEST_TOOLS += tests/golden/replay
replay_SRCS := $(REPLAY_SRCS)

UNIT_TESTS += test_report
test_report_SRCS := $(ANALYSIS_SRCS) $(STORE_SRCS) $(UTIL_SRCS) $(BASE_SRCS) core/timeline/lock_place.c core/timeline/model.c \
	$(filter viewer/text/%,$(VIEWER_SRCS))

UNIT_TESTS += test_what_if
test_what_if_SRCS := core/analysis/hold_log.c core/analysis/replay.c core/analysis/what_if.c core/analysis/what_if_bounds.c \
	core/analysis/worst_window.c core/util/arena.c core/util/strbuf.c core/util/vec.c core/util/xalloc.c

TEST_TOOLS += tests/golden/report/make_recording
make_recording_SRCS := $(STORE_SRCS) $(UTIL_SRCS) core/timeline/lock_place.c core/timeline/model.c

UNIT_TESTS += test_html
test_html_SRCS := $(STORE_UNIT) viewer/html/columns.c viewer/html/markup.c viewer/html/pieces.c viewer/html/reduce.c \
	viewer/html/rows.c viewer/html/stack_table.c viewer/lock_uses.c core/analysis/lock_words.c

UNIT_TESTS += test_event_text
test_event_text_SRCS := $(EVENT_SRCS)

UNIT_TESTS += test_timeline
test_timeline_SRCS := $(REPLAY_SRCS)

UNIT_TESTS += test_timeline_simulated
test_timeline_simulated_SRCS := $(REPLAY_SRCS)

TEST_TOOLS += tests/bench/bench_timeline
bench_timeline_SRCS := $(REPLAY_SRCS)

UNIT_TESTS += test_lock_place
test_lock_place_SRCS := core/timeline/lock_place.c core/timeline/model.c

UNIT_TESTS += test_signal_ring
test_signal_ring_SRCS :=

TEST_TOOLS += tests/live/signal_guest

UNIT_TESTS += test_wait_graph
test_wait_graph_SRCS := core/analysis/wait_graph.c core/util/xalloc.c
