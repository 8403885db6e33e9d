"""One recording of a contended program, exported to every format, read by the tool that format is of; the numbers found
there are those of the recording.  A tool that is not here is a skip with its name."""
import collections
import csv
import glob
import gzip
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import harness
import live

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = ("wait", "blame", "locks", "blocked", "gil", "nogil")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    reason = live.why_no_recording()
    if reason:
        pytest.skip(reason)
    python = live.FOUND.get(live.default_label())
    if not python:
        pytest.skip("no CPython 3.8 to 3.13 here")
    path = str(tmp_path_factory.mktemp("export") / "busy.gilscope")
    with harness.Workload("cpu_io", python, 60, ()) as workload:
        done = harness.gilscope("record", "-p", workload.pid, "-d", 2, "-o", path)
        assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def db(recording):
    return sqlite3.connect("file:%s?mode=ro" % recording, uri=True)


def export(recording, tmp_path, form, *args):
    out = str(tmp_path / ("out." + form))
    with open(out, "wb") as stream:
        done = subprocess.run([harness.GILSCOPE, "export", recording, "--to", form, *args], stdout=stream, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return out


def one(db, sql):
    return db.execute(sql).fetchone()[0] or 0


def expected(db, weight):
    """(count, ns) of a weight, from the rows themselves."""
    locks = "SELECT id FROM lock WHERE kind %s (SELECT id FROM lock_kind WHERE name = 'gil')"
    if weight in ("wait", "blame", "locks"):
        of = locks % ("<>" if weight == "locks" else "=")
        waits = db.execute("SELECT count(*), coalesce(sum(dur_ns), 0) FROM wait WHERE lock IN (%s)" % of).fetchone()
        counted = db.execute("SELECT coalesce(sum(n), 0), coalesce(sum(ns), 0) FROM tally WHERE state IN (2, 3) AND lock IN (%s)" % of).fetchone()
        return waits[0] + counted[0], waits[1] + counted[1]
    if weight == "blocked":
        rows = db.execute("SELECT count(*), coalesce(sum(dur_ns), 0) FROM interval WHERE state IN (4, 5)").fetchone()
        counted = db.execute("SELECT coalesce(sum(n), 0), coalesce(sum(ns), 0) FROM tally WHERE state IN (4, 5)").fetchone()
        return rows[0] + counted[0], rows[1] + counted[1]
    n = one(db, "SELECT count(*) FROM sample WHERE state %s 0" % ("=" if weight == "gil" else "<>"))
    return n, n * (1000000000 // int(one(db, "SELECT value FROM meta WHERE key = 'sample_hz'")))


def go_pprof():
    found = sorted(glob.glob("/usr/lib/go-*/pkg/tool/linux_*/pprof"))
    if found:
        return [found[-1]]
    if shutil.which("go"):
        return ["go", "tool", "pprof"]
    pytest.skip("no go pprof (Debian package golang-1.19-go)")


def node_tool(name):
    if not shutil.which("node"):
        pytest.skip("no node")
    path = os.path.join(HERE, "node_modules", name)
    if not os.path.exists(path):
        pytest.skip("no %s (npm ci in tests/export)" % name)
    return path


@pytest.mark.parametrize("weight", WEIGHTS)
def test_pprof_reads_it(recording, db, tmp_path, weight):
    tool = go_pprof()
    path = export(recording, tmp_path, "pprof", "--weight", weight)
    count, ns = expected(db, weight)
    raw = subprocess.run(tool + ["-raw", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert raw.returncode == 0, raw.stderr.decode()
    sums = collections.Counter()
    for line in raw.stdout.decode().split("Samples:")[1].split("Locations")[0].splitlines():
        found = re.match(r"\s*(\d+)\s+(\d+):", line)
        if found:
            sums["n"] += int(found.group(1))
            sums["ns"] += int(found.group(2))
    assert sums["ns"] == ns
    if weight != "blame":  # one wait can have several holders
        assert sums["n"] == count
    if ns:
        top = subprocess.run(tool + ["-top", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        assert re.search(r"Type: (delay|cpu)", top)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_collapsed_adds_up(recording, db, tmp_path, weight):
    _, ns = expected(db, weight)
    total, lines = 0, open(export(recording, tmp_path, "collapsed", "--weight", weight), encoding="utf-8").read().splitlines()
    for line in lines:
        stack, n = line.rsplit(" ", 1)
        assert stack and "\t" not in stack
        total += int(n)
    assert abs(total * 1000 - ns) <= 1000 * len(lines)


@pytest.mark.parametrize("view", ("v_threads", "v_waits", "v_blame", "v_states", "v_locks", "v_stack", "v_line"))
def test_csv_is_the_view(recording, db, tmp_path, view):
    with open(export(recording, tmp_path, "csv", "--view", view), newline="", encoding="utf-8") as stream:
        got = list(csv.reader(stream))
    cursor = db.execute("SELECT * FROM %s" % view)
    assert got[0] == [c[0] for c in cursor.description]
    rows = cursor.fetchall()
    assert len(got) - 1 == len(rows)
    for have, want in zip(got[1:], rows):
        for a, b in zip(have, want):
            if b is None:
                assert a == ""
            elif isinstance(b, (int, float)):
                assert float(a) == b
            else:
                assert a.lstrip("'") == b.lstrip("'")


def test_csv_refuses_other_views(recording):
    for view in ("sqlite_schema", "wait; DROP TABLE wait", "nope", ""):
        done = harness.gilscope("export", recording, "--to", "csv", "--view", view)
        assert done.returncode == 2, (view, done.returncode)
        assert "v_waits" in done.stderr


def test_promtool_reads_openmetrics(recording, db, tmp_path):
    path = export(recording, tmp_path, "openmetrics")
    text = open(path, encoding="utf-8").read()
    waits = sum(float(m) for m in re.findall(r'^gilscope_lock_wait_seconds_sum\{[^}]*lock="GIL"\} (\S+)', text, re.M))
    assert abs(waits - expected(db, "wait")[1] / 1e9) < 1e-6
    if not shutil.which("promtool"):
        pytest.skip("no promtool (Debian package prometheus)")
    done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", path, str(tmp_path / "blocks")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    samples = sum(1 for line in text.splitlines() if line and not line.startswith("#"))
    row = done.stdout.decode().splitlines()[-1].split()
    assert samples in map(int, filter(str.isdigit, row)), (samples, row)


def decoded_packets(path):
    """Packets of a Perfetto trace as protoc tells them, each as {field: [values]} with nested names joined by dots."""
    if not shutil.which("protoc"):
        pytest.skip("no protoc (Debian package protobuf-compiler)")
    with open(path, "rb") as stream:
        done = subprocess.run(["protoc", "--decode", "perfetto.protos.Trace", "-I", os.path.join(harness.ROOT, "viewer/export"),
                               "perfetto.proto"], stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    packet, names = None, []
    for line in done.stdout.decode().splitlines():
        line = line.strip()
        if line.endswith("{"):
            names.append(line[:-1].strip())
            if len(names) == 1:
                packet = collections.defaultdict(list)
        elif line == "}":
            names.pop()
            if not names:
                yield packet
        else:
            key, value = line.split(": ", 1)
            packet[".".join(names[1:] + [key])].append(value)


def test_perfetto_is_well_formed(recording, db, tmp_path):
    interned = {kind: set() for kind in ("event_names", "function_names", "frames", "callstacks", "source_paths", "debug_annotation_names")}
    tracks, depth, last, begins = set(), collections.Counter(), {}, collections.Counter()
    flows, ends = [], []
    for p in decoded_packets(export(recording, tmp_path, "perfetto")):
        for kind in interned:
            interned[kind].update(p.get("interned_data.%s.iid" % kind, []))
        tracks.update(p.get("track_descriptor.uuid", []))
        for name, kind in (("name_iid", "event_names"), ("callstack_iid", "callstacks")):
            for iid in p.get("track_event." + name, []):
                assert iid in interned[kind], (name, iid)
        for iid in p.get("interned_data.callstacks.frame_ids", []):
            assert iid in interned["frames"]
        for iid in p.get("interned_data.frames.function_name_id", []):
            assert iid in interned["function_names"]
        if "track_event.type" not in p:
            continue
        track, kind, at = p["track_event.track_uuid"][0], p["track_event.type"][0], int(p["timestamp"][0])
        assert track in tracks
        flows += p.get("track_event.flow_ids", [])
        ends += p.get("track_event.terminating_flow_ids", [])
        if kind == "TYPE_INSTANT":
            continue
        assert at >= last.get(track, 0), "slices of one track in order"
        last[track] = at
        depth[track] += 1 if kind == "TYPE_SLICE_BEGIN" else -1
        assert depth[track] in (0, 1)
        begins[int(track) >> 40] += kind == "TYPE_SLICE_BEGIN"
    assert not any(depth.values())
    assert sorted(flows) == sorted(ends) and len(set(flows)) == len(flows)
    assert len(flows) == one(db, "SELECT count(*) FROM handoff WHERE release_ns IS NOT NULL AND from_thread IS NOT NULL")
    assert begins[2] == one(db, "SELECT count(*) FROM interval")
    assert begins[3] == one(db, "SELECT count(*) FROM wait")


def test_trace_processor_reads_perfetto(recording, tmp_path):
    tool = os.environ.get("TRACE_PROCESSOR")
    if not tool:
        pytest.skip("no TRACE_PROCESSOR=/path/to/trace_processor_shell")
    path = export(recording, tmp_path, "perfetto")
    sql = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
    done = subprocess.run([tool, "-Q", sql, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and len(done.stdout.decode().strip().splitlines()) <= 1, done.stdout.decode()


@pytest.fixture
def late_samples(recording, tmp_path):
    """The recording with samples in its middle only: what waits before the first one and after the last is shown all the same."""
    path = str(tmp_path / "late.gilscope")
    shutil.copy(recording, path)
    with sqlite3.connect(path) as db:
        t0, t1 = db.execute("SELECT min(t_ns), max(t_ns) FROM sample").fetchone()
        db.execute("DELETE FROM sample WHERE t_ns < ? OR t_ns > ?", ((3 * t0 + t1) // 4, (t0 + 3 * t1) // 4))
        # a thread without a sample gets one at its begin, which would hide what this is about
        db.execute("INSERT INTO sample SELECT id, ?, 0, 0, NULL FROM thread WHERE id NOT IN (SELECT thread FROM sample)", ((t0 + t1) // 2,))
    db.close()
    return path


def test_firefox_profiler_reads_it(recording, late_samples, db, tmp_path):
    package = node_tool("@firefox-devtools/profiler-cli")
    tool = ["node", os.path.join(package, json.load(open(os.path.join(package, "package.json")))["bin"]["profiler-cli"])]
    env = dict(os.environ, HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path), TMPDIR=str(tmp_path))

    def ask(*args):
        for _ in range(60):
            done = subprocess.run(tool + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=120)
            text = done.stdout.decode() + done.stderr.decode()
            if done.returncode == 0 or "did not become ready" not in text:
                break
            # its daemon has half a second to start, which a busy machine does not give it
            for pid in re.findall(r"running as pid (\d+)", text):
                os.kill(int(pid), signal.SIGKILL)
            time.sleep(1)
        assert done.returncode == 0, text
        return done.stdout.decode()
    try:
        for path in (recording, late_samples):
            ask("load", export(path, tmp_path, "firefox"))
            assert len(re.findall(r"^\*?\s+t-\d+ ", ask("thread", "list"), re.M)) == one(db, "SELECT count(*) FROM thread")
            waiter = db.execute("SELECT w.thread, count(*), max(w.dur_ns) FROM wait w JOIN lock l ON l.id = w.lock WHERE l.kind = 0 "
                                "GROUP BY 1 ORDER BY 2 DESC").fetchone()
            text = ask("thread", "markers", "--thread", "t-%d" % waiter[0], "--search", "Waiting for GIL")
            found = re.search(r"Waiting for GIL\s+([\d,]+) markers .*max=([\d.]+)(ns|.s|ms|s)\b", text)
            assert found, text
            assert int(found.group(1).replace(",", "")) == waiter[1]
            scale = {"ns": 1, "ms": 1e6, "s": 1e9}.get(found.group(3), 1e3)
            assert abs(float(found.group(2)) * scale - waiter[2]) <= 0.001 * waiter[2] + 1
            assert "✓" in text, "waits have their stacks"
            ask("stop", "--all")
    finally:
        subprocess.run(tool + ["stop", "--all"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, timeout=60)


def test_speedscope_reads_it(recording, db, tmp_path):
    node_tool("speedscope")
    chromium = next((c for c in ("chromium-headless-shell", "chromium") if shutil.which(c)), None)
    if not chromium:
        pytest.skip("no chromium (Debian package chromium-headless-shell)")
    path = export(recording, tmp_path, "speedscope")
    document = json.load(open(path))
    waits = document["profiles"][0]
    assert sum(waits["weights"]) == expected(db, "wait")[1] and len(waits["weights"]) == len(waits["samples"])
    for profile in document["profiles"][1:]:
        open_frames, at = [], 0
        for event in profile["events"]:
            assert event["at"] >= at
            at = event["at"]
            if event["type"] == "O":
                open_frames.append(event["frame"])
            else:
                assert open_frames.pop() == event["frame"]
        assert not open_frames
    done = subprocess.run(["node", os.path.join(HERE, "speedscope.mjs"), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, CHROMIUM=shutil.which(chromium)), timeout=180)
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout.decode())
    assert not seen["errors"] and "Something went wrong" not in seen["text"], seen
    assert "waiting for the GIL, by stack" in seen["title"] + seen["text"], seen


def test_gzip_of_pprof_is_sound(recording, tmp_path):
    with gzip.open(export(recording, tmp_path, "pprof")) as stream:
        assert stream.read(1)
