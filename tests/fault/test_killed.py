"""gilscope killed at random moments: the target is unharmed, the kernel is clean after 5 s, the file is sound."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time

import faults
import harness
import recording

KILLS = 50 if faults.FULL else 8
CLEAN_S = 5.0


def text_digest(pid):
    """Of all executable file mappings, as they are in the target's memory: a breakpoint left behind would show."""
    digest = hashlib.sha256()
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ (\d+)", line)
            if m and m.group(3) != "0":
                start, end = int(m.group(1), 16), int(m.group(2), 16)
                mem.seek(start)
                digest.update(b"%x" % start)
                digest.update(mem.read(end - start))
    return digest.hexdigest()


def kernel_objects(pid):
    """(program ids, link ids) of the descriptors a process holds."""
    programs, links = set(), set()
    try:
        names = os.listdir("/proc/%d/fdinfo" % pid)
    except OSError:
        return programs, links
    for name in names:
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, name)) as f:
                text = f.read()
        except OSError:
            continue
        programs.update(int(x) for x in re.findall(r"^prog_id:\s+(\d+)", text, re.M))
        links.update(int(x) for x in re.findall(r"^link_id:\s+(\d+)", text, re.M))
    return programs, links


def still_there(programs, links):
    return (programs & set(harness.bpf_programs())), (links & set(harness.bpf_links()))


def wait_clean(programs, links):
    end = time.monotonic() + CLEAN_S
    while time.monotonic() < end:
        left = still_there(programs, links)
        if not any(left):
            return
        time.sleep(0.1)
    left = still_there(programs, links)
    assert not any(left), "still in the kernel %.0f s after SIGKILL: programs %s, links %s" % (CLEAN_S, left[0], left[1])


def check_file(path, killed_ns, long_enough):
    """Opens, is sound, says incomplete, and holds what was committed."""
    if not os.path.exists(path):
        assert not long_enough, "no file although it had recorded for a second"
        return "no file yet"
    done = harness.gilscope("report", path, "--format", "json")
    if done.returncode == 4 and not long_enough:
        assert done.stderr.startswith("gilscope: could not "), done.stderr
        return "nothing committed yet"
    assert done.returncode == 0, done.stderr
    rec = recording.Recording(path)
    assert rec.integrity() == "ok"
    report = json.loads(done.stdout)
    assert report["recording"]["complete"] is False
    text = harness.gilscope("report", path)
    assert text.returncode == 0 and re.search("incomplete|cut off|cut short", text.stdout, re.I), text.stdout
    last = rec.one("SELECT max(t0_ns + dur_ns) FROM interval")
    if long_enough:
        assert last is not None, "nothing in a recording of more than a second"
        behind = (killed_ns - rec.start_ns - last) / 1e9
        assert behind < 3.0, "the file ends %.2f s before the kill" % behind
    return "recorded"


def test_sigkill_at_random_moments(any_python, can_record, rng, tmp_path):
    outcomes = {}
    script = os.path.join(harness.WORKLOADS, "self_check.py")
    target = subprocess.Popen([any_python, script, "--seconds", "3600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        before = text_digest(target.pid)
        threads = len(os.listdir("/proc/%d/task" % target.pid))
        for i in range(KILLS):
            path = str(tmp_path / ("%d.gilscope" % i))
            delay = rng.uniform(0, 0.5) if i % 2 else rng.uniform(0, 2.5)
            recorder = harness.Recorder(target.pid, path, wait=False)
            time.sleep(delay)
            objects = kernel_objects(recorder.process.pid)
            assert recorder.process.poll() is None, recorder.process.stderr.read()
            recorder.process.send_signal(signal.SIGKILL)
            killed_ns = time.monotonic_ns()
            recorder.process.communicate()
            outcome = check_file(path, killed_ns, delay > 1.5)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            wait_clean(*objects)
            assert target.poll() is None, "the target ended with %s" % target.returncode
            with open("/proc/%d/status" % target.pid) as f:
                status = f.read()
            assert re.search(r"State:\s+[RSD]", status) and re.search(r"TracerPid:\s+0$", status, re.M), status
        assert text_digest(target.pid) == before, "bytes of the target's code changed"
        assert len(os.listdir("/proc/%d/task" % target.pid)) == threads
        out, _ = target.communicate(b"\n", timeout=30)
    finally:
        if target.poll() is None:
            target.kill()
            target.wait()
    print(outcomes)
    check_unharmed(target.returncode, out, any_python)
    assert outcomes.get("recorded"), outcomes


def check_unharmed(code, out, python):
    """What the target printed equals what it prints when nobody looks."""
    last = json.loads(out.decode().splitlines()[-1])
    script = os.path.join(harness.WORKLOADS, "self_check.py")
    alone = subprocess.run([python, script, "--seconds", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
    quiet = json.loads(alone.stdout.decode().splitlines()[-1])
    for key in ("mismatches", "eintr", "errors", "signals", "reference", "threads"):
        assert last[key] == quiet[key], (key, last[key], quiet[key])
    assert code == alone.returncode == 0
    assert last["units"] > 0


def test_a_whole_recording_leaves_no_trace(any_python, can_record, tmp_path):
    """The same without a kill: in good order, several times in a row."""
    script = os.path.join(harness.WORKLOADS, "self_check.py")
    target = subprocess.Popen([any_python, script, "--seconds", "3600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        before = text_digest(target.pid)
        for i in range(3):
            recorder = harness.Recorder(target.pid, str(tmp_path / str(i)))
            time.sleep(0.5)
            objects = kernel_objects(recorder.process.pid)
            assert objects[0] and objects[1], "found no BPF objects of a running recording: this test sees nothing"
            assert text_digest(target.pid) == before, "bytes of the target's code changed while recording"
            code, _, err = recorder.stop()
            assert code == 0, err
            wait_clean(*objects)
        out, _ = target.communicate(b"\n", timeout=30)
    finally:
        if target.poll() is None:
            target.kill()
            target.wait()
    check_unharmed(target.returncode, out, any_python)
