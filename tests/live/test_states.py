"""Sums of states, samples, and what is left of them without knowledge of Python."""
import os
import re
import shutil
import subprocess

import pytest

import harness
import recording
import test_lines


def test_gil_time_of_all_threads_is_at_most_the_time(any_python, can_record, recorded):
    report, _ = recorded("cpu4", any_python, 2)
    p = report["processes"][0]
    held = sum(t["gil_held_ns"] for t in p["threads"])
    assert held <= 1.01 * report["recording"]["duration_ns"], held
    assert held > 0.8 * report["recording"]["duration_ns"], held
    gil = next(lock for lock in p["locks"] if lock["kind"] == "gil")
    assert gil["utilisation"] > 0.8
    assert gil["forced_handoffs"] > 50, gil


def test_rate_zero_takes_no_samples(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("-r", "0"))
    rec = recording.Recording(path)
    assert rec.one("SELECT count(*) FROM sample") == 0
    assert all(t["gil_spin_ns"] is None for t in report["processes"][0]["threads"])
    assert sum(t["gil_waits"] for t in report["processes"][0]["threads"]) > 50


def test_samples_are_taken(any_python, can_record, recorded):
    _, path = recorded("cpu4", any_python, 2)
    rec = recording.Recording(path)
    n = rec.one("SELECT count(*) FROM sample WHERE stack IS NOT NULL")
    assert n > 50, n  # one core's worth at 99 Hz would be 198; the machine may be busy


def test_no_python(any_python, can_record, recorded):
    report, path = recorded("cpu4", any_python, 1, record_args=("--no-python",))
    assert report["processes"][0]["runtime"] is None
    test_lines.partition(path)


VERIFIED_MOST = 33000  # 1,000 take the kernel a millisecond: what of attaching belongs to it


def test_the_kernel_checks_the_programs_soon(any_python, tmp_path):
    """Instructions that the verifier went through, of all programs together; a path taken apart needlessly is found here, not by a clock."""
    if tuple(int(x) for x in os.uname().release.split(".")[:2]) < (5, 16):
        pytest.skip("this kernel does not say how many instructions it verified")
    with harness.Workload("cpu4", any_python) as target:
        recorder = harness.Recorder(target.pid, str(tmp_path / "r.gilscope"))
        try:
            folder, verified = "/proc/%d/fdinfo" % recorder.process.pid, {}
            for fd in os.listdir(folder):
                try:
                    with open(os.path.join(folder, fd)) as f:
                        text = f.read()
                except FileNotFoundError:
                    continue
                for number, n in re.findall(r"^prog_id:\s+(\d+)\n(?:.*\n)*?verified_insns:\s+(\d+)", text, re.M):
                    verified[number] = int(n)
        finally:
            recorder.stop()
    assert len(verified) >= 8 and 5000 < sum(verified.values()) < VERIFIED_MOST, verified


def called_stacks(objdump):
    """{function: [bytes of stack, functions it calls]} of a BPF object's disassembly; a callback counts as called."""
    found, starts, calls, section, name, number = {}, {}, [], None, None, 0
    for line in objdump.splitlines():
        begin = re.match(r"([0-9a-f]+) <(\w+)>:", line)
        if line.startswith("Disassembly of section"):
            section = line.split()[-1].rstrip(":")
        elif begin and not begin.group(2).startswith("LBB"):
            name = starts[(section, int(begin.group(1), 16))] = begin.group(2)
            found[name] = [0, set()]
        for used in re.findall(r"\(r10 - (\d+)\)|r\d \+= -(\d+)$", line):
            found[name][0] = max(found[name][0], int(used[0] or used[1]))
        number = int((re.search(r"(?:call |r\d = )(-?\d+)(?: ll)?$", line) or [0, number])[1])
        call = re.match(r"\s+(\d+):\s+85 10 ", line)
        moved = re.search(r"R_BPF_64_(32|64)\s+(\S+)", line)
        if call:  # of its own section, unless a relocation follows
            calls.append((name, (section, (int(call.group(1)) + 1 + number) * 8)))
        elif moved and moved.group(1) == "32":
            calls[-1] = (name, (".text", (number + 1) * 8) if moved.group(2) == ".text" else moved.group(2))
        elif moved and moved.group(2) == ".text":
            calls.append((name, (".text", number)))
    for caller, callee in calls:
        found[caller][1].add(starts.get(callee, callee))
    return found


def deepest(found, name):
    own, called = found[name]
    rounded = max(32, (own + 31) // 32 * 32)
    below = max((deepest(found, c) for c in called), default=(0, []))
    return rounded + below[0], [name] + below[1]


def test_calls_fit_the_stack_of_older_kernels():
    """Kernels without private stacks (before 6.13) count a program's calls together, each rounded up to 32 bytes: 512 are allowed."""
    objdump = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14")
    if not objdump:
        pytest.skip("no llvm-objdump here")
    done = subprocess.run([objdump, "-dr", os.path.join(harness.BUILD, "collectors/bpf/gil.bpf.o")],
                          stdout=subprocess.PIPE, check=True, universal_newlines=True)
    found = called_stacks(done.stdout)
    depths = {name: deepest(found, name) for name in ("on_switch", "on_waking", "on_sample", "each_task")}
    assert "take_stack" in depths["on_switch"][1] and "walk_step_loop" in found, depths  # the disassembly was understood
    assert all(bytes_ <= 512 and len(path) <= 8 for bytes_, path in depths.values()), depths
