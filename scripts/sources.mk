# What is built, per layer (includes go one way, scripts/layers.txt).  One file per line, in alphabetical order.

BASE_SRCS := \
	core/base/syscall_names.c

EVENT_SRCS := \
	core/event/event_names.c \
	core/event/event_text.c

UTIL_SRCS := \
	core/util/arena.c \
	core/util/duration.c \
	core/util/escape.c \
	core/util/fail.c \
	core/util/file.c \
	core/util/human.c \
	core/util/number.c \
	core/util/pool.c \
	core/util/strbuf.c \
	core/util/vec.c \
	core/util/xalloc.c

INTERP_SRCS := \
	core/interp/code.c \
	core/interp/debug_offsets.c \
	core/interp/frame_values.c \
	core/interp/frames.c \
	core/interp/gil.c \
	core/interp/gil_choice.c \
	core/interp/instance.c \
	core/interp/layout.c \
	core/interp/libc.c \
	core/interp/linetable.c \
	core/interp/lock_object.c \
	core/interp/object_names.c \
	core/interp/pydict.c \
	core/interp/pystr.c \
	core/interp/runtime.c \
	core/interp/statics.c \
	core/interp/task_list.c \
	core/interp/tasks.c \
	core/interp/thread_names.c \
	core/interp/threads.c \
	core/interp/world.c

TARGET_SRCS := \
	core/target/disposable.c \
	core/target/dwarf_layout.c \
	core/target/elf_file.c \
	core/target/find_runtime.c \
	core/target/find_pypy.c \
	core/target/find_statics.c \
	core/target/machine_code.c \
	core/target/mapped_file.c \
	core/target/proc_maps.c \
	core/target/proc_task.c \
	core/target/running_stack.c \
	core/target/process_mem.c \
	core/target/read_child.c \
	core/target/target.c \
	core/target/target_refusal.c \
	core/target/target_threads.c

SYMBOLS_SRCS := \
	core/symbols/lock_finder.c \
	core/symbols/native_stack.c \
	core/symbols/symbols.c \
	core/symbols/eh_frame.c \
	core/symbols/unwind.c \
	core/symbols/unwind_child.c \
	core/symbols/unwind_modules.c

TIMELINE_SRCS := \
	core/timeline/callback.c \
	core/timeline/counted.c \
	core/timeline/credit.c \
	core/timeline/episode.c \
	core/timeline/estimate.c \
	core/timeline/holder.c \
	core/timeline/holder_share.c \
	core/timeline/line.c \
	core/timeline/lock_place.c \
	core/timeline/model.c \
	core/timeline/partition.c \
	core/timeline/releases.c \
	core/timeline/threads.c \
	core/timeline/timeline.c

STORE_SRCS := \
	core/store/facts.c \
	core/store/reader.c \
	core/store/reader_blame.c \
	core/store/reader_rows.c \
	core/store/reader_stacks.c \
	core/store/reader_sums.c \
	core/store/reader_views.c \
	core/store/reader_waits.c \
	core/store/recording_file.c \
	core/store/rows.c \
	core/store/schema.c \
	core/store/stacks.c \
	core/store/store.c \
	core/store/wait_quantile.c

ANALYSIS_SRCS := \
	core/analysis/blame.c \
	core/analysis/difference.c \
	core/analysis/findings.c \
	core/analysis/findings_gil.c \
	core/analysis/findings_locks.c \
	core/analysis/findings_loop.c \
	core/analysis/hold_log.c \
	core/analysis/metric_infos.c \
	core/analysis/metrics.c \
	core/analysis/lock_words.c \
	core/analysis/other_locks.c \
	core/analysis/paired.c \
	core/analysis/regression.c \
	core/analysis/replay.c \
	core/analysis/site_growth.c \
	core/analysis/span_union.c \
	core/analysis/stack_difference.c \
	core/analysis/summary.c \
	core/analysis/summary_credits.c \
	core/analysis/summary_family.c \
	core/analysis/summary_places.c \
	core/analysis/summary_rows.c \
	core/analysis/summary_stalls.c \
	core/analysis/summary_waits.c \
	core/analysis/summary_what_if.c \
	core/analysis/wait_graph.c \
	core/analysis/wait_hist.c \
	core/analysis/wait_stats.c \
	core/analysis/what_if.c \
	core/analysis/what_if_bounds.c \
	core/analysis/worst_window.c

# Programs for the kernel: each x.bpf.c becomes $(B)/…/x.skel.h, which its loader includes by that path.
BPF_PROGS := \
	collectors/bpf/gil.bpf.c

BPF_COLLECTOR_SRCS := \
	collectors/bpf/bpf.c \
	collectors/bpf/detail.c \
	collectors/bpf/usable.c

REMOTE_COLLECTOR_SRCS := \
	collectors/remote/emit.c \
	collectors/remote/inside.c \
	collectors/remote/pace.c \
	collectors/remote/proc.c \
	collectors/remote/proc_children.c \
	collectors/remote/proc_gil.c \
	collectors/remote/proc_threads.c \
	collectors/remote/remote.c \
	collectors/remote/ring.c \
	collectors/remote/sampler.c \
	collectors/remote/track.c

SIGNAL_COLLECTOR_SRCS := \
	collectors/signal/door.c \
	collectors/signal/embedded.c \
	collectors/signal/inject.c \
	collectors/signal/leftovers.c \
	collectors/signal/place.c \
	collectors/signal/process.c \
	collectors/signal/signal.c \
	collectors/signal/states.c

# The library that is preloaded into a command; the signal collector carries it in itself.
PRELOAD_SRCS := \
	collectors/signal/preload/library.c \
	collectors/signal/preload/linkage.c \
	collectors/signal/preload/programs.c \
	collectors/signal/preload/samples.c \
	collectors/signal/preload/stacks.c \
	collectors/signal/preload/threads.c \
	collectors/signal/preload/waits.c

# Messages of other tools' formats: each x.proto becomes $(B)/…/x.pb-c.h and .c (protoc-c).
PROTOS := \
	viewer/export/perfetto.proto \
	viewer/export/pprof.proto

VIEWER_SRCS := \
	viewer/check/github.c \
	viewer/check/json.c \
	viewer/check/junit.c \
	viewer/check/markdown.c \
	viewer/check/sarif.c \
	viewer/check/text.c \
	viewer/check/words.c \
	viewer/diff/assets.c \
	viewer/diff/diff.c \
	viewer/diff/flame.c \
	viewer/diff/tables.c \
	viewer/diff/verdict.c \
	viewer/export/collapsed.c \
	viewer/export/csv.c \
	viewer/export/export.c \
	viewer/export/firefox.c \
	viewer/export/firefox_tables.c \
	viewer/export/flame_sums.c \
	viewer/export/lanes.c \
	viewer/export/openmetrics.c \
	viewer/export/perfetto.c \
	viewer/export/pprof.c \
	viewer/export/roster.c \
	viewer/export/speedscope.c \
	viewer/html/bundle.c \
	viewer/html/columns.c \
	viewer/html/data.c \
	viewer/html/html.c \
	viewer/html/markup.c \
	viewer/html/overview.c \
	viewer/html/pieces.c \
	viewer/html/reduce.c \
	viewer/html/rows.c \
	viewer/html/stack_table.c \
	viewer/html/static_part.c \
	viewer/html/tables.c \
	viewer/json/dump.c \
	viewer/json/json.c \
	viewer/json/stream.c \
	viewer/lock_uses.c \
	viewer/text/about.c \
	viewer/text/difference.c \
	viewer/text/dump.c \
	viewer/text/other_locks.c \
	viewer/text/page.c \
	viewer/text/pairs.c \
	viewer/text/processes.c \
	viewer/text/text.c \
	viewer/text/threads.c \
	viewer/text/verdict.c \
	viewer/text/waits.c \
	viewer/text/what_if.c

AGENT_SRCS := \
	agent/check_conditions.c \
	agent/check_marks.c \
	agent/check_options.c \
	agent/check_page.c \
	agent/check_report.c \
	agent/check_rounds.c \
	agent/check_run.c \
	agent/check_valid.c \
	agent/collector_choice.c \
	agent/cmd_check.c \
	agent/cmd_diff.c \
	agent/cmd_doctor.c \
	agent/cmd_dump.c \
	agent/cmd_export.c \
	agent/cmd_help.c \
	agent/cmd_record.c \
	agent/cmd_report.c \
	agent/command_child.c \
	agent/doctor_machine.c \
	agent/doctor_rights.c \
	agent/doctor_target.c \
	agent/dump_locks.c \
	agent/dump_native.c \
	agent/dump_take.c \
	agent/dump_tasks.c \
	agent/mailbox.c \
	agent/main.c \
	agent/open_page.c \
	agent/output_file.c \
	agent/pid_list.c \
	agent/progress.c \
	agent/session.c \
	agent/session_attach.c \
	agent/session_follow.c \
	agent/session_locks.c \
	agent/session_native.c \
	agent/session_resolver.c \
	agent/session_targets.c \
	agent/session_writer.c \
	agent/stop.c \
	agent/ui.c

CORE_SRCS := $(BASE_SRCS) $(EVENT_SRCS) $(UTIL_SRCS) $(INTERP_SRCS) $(TARGET_SRCS) $(SYMBOLS_SRCS) \
	$(TIMELINE_SRCS) $(STORE_SRCS) $(ANALYSIS_SRCS)
ALL_SRCS := $(CORE_SRCS) $(BPF_COLLECTOR_SRCS) $(SIGNAL_COLLECTOR_SRCS) $(REMOTE_COLLECTOR_SRCS) $(VIEWER_SRCS) $(AGENT_SRCS)
