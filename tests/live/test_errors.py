"""What cannot be done is said in one form, with the documented exit code, and leaves nothing half-written unsaid."""
import glob
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import time

import pytest

import harness
import live

USAGE, ATTACH, DATA, MACHINE = 2, 3, 4, 77
MESSAGE = re.compile(r"^gilscope: could not [^:\n]+: .+$")


def refused(done, code, *words):
    """One message in the form of the house, no stack trace, nothing on stdout."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines and any(MESSAGE.match(line) for line in lines), done.stderr
    assert "Traceback" not in done.stderr and "AddressSanitizer" not in done.stderr
    for word in words:
        assert re.search(word, done.stderr, re.I), (word, done.stderr)


def record(*args, **kwargs):
    return harness.gilscope("record", *args, "-d", "1", **kwargs)


@pytest.fixture
def busy(any_python):
    with harness.Workload("cpu4", any_python, 60) as workload:
        yield workload


@pytest.mark.parametrize("args", [
    (), ("-p",), ("-p", "x"), ("-p", "-5"), ("-p", "0"), ("--no-such-option",), ("-p", "1", "-d", "abc"), ("-p", "1", "-r", "-1"),
    ("-p", "1", "-d", "0"), ("-p", "99999999999999999999"), ("-p", "1", "stray"),
])
def test_usage(args):
    done = harness.gilscope("record", *args)
    assert done.returncode == USAGE, done.stderr
    assert done.stderr.startswith("gilscope: could not "), done.stderr


def test_unknown_command_and_help():
    assert harness.gilscope("frobnicate").returncode == USAGE
    for command in ("record", "report", "dump", "doctor"):
        done = harness.gilscope(command, "--help")
        assert done.returncode == 0 and "Usage:" in done.stdout, done.stderr
    done = harness.gilscope("--version")
    assert done.returncode == 0 and re.match(r"gilscope \d+\.\d+", done.stdout)


@pytest.mark.parametrize("command", ["record", "dump"])
def test_no_such_pid(command, tmp_path):
    child = subprocess.Popen(["true"])
    child.wait()
    args = ["-o", tmp_path / "x"] if command == "record" else []
    refused(harness.gilscope(command, "-p", child.pid, *args), ATTACH, "no such|does not exist|no process")
    assert not os.path.exists(str(tmp_path / "x"))


@pytest.mark.parametrize("command", ["record", "dump"])
def test_zombie(command, tmp_path):
    child = subprocess.Popen(["true"])
    time.sleep(0.2)
    args = ["-o", tmp_path / "x"] if command == "record" else []
    refused(harness.gilscope(command, "-p", child.pid, *args), ATTACH, "zombie|has ended")
    child.wait()
    assert not os.path.exists(str(tmp_path / "x"))


@pytest.mark.parametrize("command", ["record", "dump"])
def test_not_python(command, tmp_path):
    child = subprocess.Popen(["sleep", "30"])
    try:
        args = ["-o", tmp_path / "x"] if command == "record" else []
        refused(harness.gilscope(command, "-p", child.pid, *args), ATTACH, "python")
    finally:
        child.kill()
        child.wait()
    assert not os.path.exists(str(tmp_path / "x"))


def test_kernel_thread(tmp_path):
    try:
        with open("/proc/2/status") as f:
            if "kthreadd" not in f.read():
                pytest.skip("pid 2 is no kernel thread here (a pid namespace)")
    except OSError:
        pytest.skip("no pid 2 here")
    refused(record("-p", 2, "-o", tmp_path / "x"), ATTACH, "kernel thread")


def test_older_version(tmp_path):
    """3.6 under the name of 3.5, which is how a version is known before 3.7."""
    python = live.interpreter("3.6")
    library = glob.glob(os.path.join(os.path.dirname(python), "../lib/libpython3.6m.so.1.0"))
    if not library:
        pytest.skip("python3.6 has no shared library here")
    renamed = str(tmp_path / "libpython3.5m.so.1.0")
    shutil.copy(library[0], renamed)
    child = subprocess.Popen([python, "-c", "import time; print('up', flush=True); time.sleep(30)"], stdout=subprocess.PIPE,
                             env=dict(os.environ, LD_PRELOAD=renamed))
    try:
        child.stdout.readline()
        refused(record("-p", child.pid, "-o", tmp_path / "x"), ATTACH, "CPython 3\\.5 is not supported", "2\\.7 and 3\\.6 to 3\\.15")
    finally:
        child.kill()
        child.wait()


def test_newer_version(tmp_path):
    """Newer than all that is known: refused by name, with what is supported; its thread states can be had."""
    found = harness.cached_python("3.15") or pytest.skip("no python3.15 here (tests/live/get-pythons fetches it)")
    with open(found, "rb") as f:
        program = f.read()
    tables = [i.end() for i in re.finditer(b"xdebugpy", program) if program[i.end() + 2:i.end() + 8] == b"\x0f\x03\0\0\0\0"]
    assert len(tables) == 1
    python = str(tmp_path / "python3.16")  # the same that says of itself that it is 3.16
    with open(python, "wb") as f:
        f.write(program[:tables[0]] + struct.pack("<Q", 0x031000f0) + program[tables[0] + 8:])
    os.chmod(python, 0o755)
    child = subprocess.Popen([python, "-c", "print('up', flush=True); sum(range(10**12))"], stdout=subprocess.PIPE,
                             env=dict(os.environ, PYTHONHOME=os.path.dirname(os.path.dirname(found))))
    try:
        assert child.stdout.readline() == b"up\n"
        known = ["CPython 3\\.16 is not supported", "Supported: CPython 2\\.7 and 3\\.6 to 3\\.15", "--no-python"]
        refused(record("-p", child.pid, "-o", tmp_path / "x"), ATTACH, *known)
        assert not (tmp_path / "x").exists()
        refused(harness.gilscope("dump", "-p", child.pid), ATTACH, *known)
        if live.why_no_recording() is None:
            assert record("-p", child.pid, "--no-python", "-o", tmp_path / "y").returncode == 0
    finally:
        child.kill()
        child.wait()


AS_IN_MUSL = """
import ctypes, threading, time
me, tid = threading.get_ident(), threading.get_native_id()
ctypes.c_uint32.from_address(me + 0x2d0).value = 0
ctypes.c_uint32.from_address(me + 0x30).value = tid
print('up', flush=True)
ctypes.CDLL(None).pause()
"""


def test_pypy_with_musl(tmp_path):
    """None can be had: one whose threads keep their number where musl does.  (CPython has tests/live/test_musl.py.)"""
    pypy = next(iter(harness.pypys().values()), None) or pytest.skip("no PyPy here")
    child = subprocess.Popen([pypy, "-c", AS_IN_MUSL], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"up\n"
        for done in (record("-p", child.pid, "-o", tmp_path / "x"), harness.gilscope("dump", "-p", child.pid)):
            refused(done, ATTACH, "PyPy with musl", "glibc", "--no-python")
        assert not (tmp_path / "x").exists()
    finally:
        child.kill()
        child.wait()


def test_output_in_the_way(busy, can_record, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(victim)
    fifo = tmp_path / "fifo"
    os.mkfifo(str(fifo))
    for path, word in ((link, "symbolic link"), (victim, "exists"), (fifo, "fifo"), (tmp_path, "directory|exists"),
                       (tmp_path / "no" / "where", "director")):
        refused(record("-p", busy.pid, "-o", path), DATA, word)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    refused(record("-p", busy.pid, "-o", dangling), DATA, "symbolic link")
    assert victim.read_text() == "precious" and not (tmp_path / "nowhere").exists()


def test_read_only_directory(busy, can_record, tmp_path):
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("needs root to mount")
    where = tmp_path / "ro"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(where)]).returncode:
        pytest.skip("cannot mount here")
    try:
        refused(record("-p", busy.pid, "-o", where / "x"), DATA, "read-only")
    finally:
        subprocess.run(["umount", str(where)], check=True)


def test_disk_full(any_python, can_record, tmp_path):
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("needs root to mount")
    where = tmp_path / "small"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(where)]).returncode:
        pytest.skip("cannot mount here")
    try:
        with harness.Workload("mixed_io", any_python, 60) as workload:
            done = harness.gilscope("record", "-p", workload.pid, "-d", 20, "-o", where / "x")
        refused(done, DATA, "full|no space")
        db = sqlite3.connect("file:%s?mode=ro" % (where / "x"), uri=True)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        shown = harness.gilscope("report", where / "x", "--format", "json")
        if shown.returncode == 0:
            assert '"complete": false' in shown.stdout.replace('"complete":false', '"complete": false')
        else:
            refused(shown, DATA)
    finally:
        subprocess.run(["umount", str(where)], check=True)


def test_no_permission(busy, tmp_path):
    prefix = live.setpriv()
    os.chmod(str(tmp_path), 0o777)
    path = "/tmp/gilscope-nobody-%d" % os.getpid()
    done = subprocess.run(prefix + [harness.GILSCOPE, "record", "-p", str(busy.pid), "-d", "1", "-o", path],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if "Permission denied" in done.stderr and "setpriv" in done.stderr:
        pytest.skip("another user cannot run %s here" % harness.GILSCOPE)
    refused(done, ATTACH if "attach" in done.stderr else MACHINE, "permission|permitted|right|privilege")
    assert "setcap" in done.stderr or "sudo" in done.stderr, done.stderr  # a line to paste
    assert not os.path.exists(path)


CAPABILITIES = "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore+ep"
PROTECTED = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); print('up', flush=True); time.sleep(60)"


def in_mounts(prepare, *command):
    """The command after some shell in a mount namespace of its own."""
    if os.geteuid():
        pytest.skip("needs root to mount")
    return subprocess.run(["unshare", "--mount", "sh", "-c", prepare + ' && exec "$@"', "sh"] + [str(c) for c in command],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60)


def readable_copy():
    """The program where every user can run it."""
    path = "/tmp/gilscope-test-%d" % os.getpid()
    shutil.copy(harness.GILSCOPE, path)
    os.chmod(path, 0o755)
    return path


def test_the_line_to_paste_grants_all(busy):
    """setcap replaces what a file has: each of our lines names all capabilities."""
    program = readable_copy()
    try:
        for args in (["record", "-o", "/tmp/gilscope-never", "-p", busy.pid], ["dump", "-p", busy.pid], ["doctor"]):
            done = subprocess.run(live.setpriv() + [program] + [str(a) for a in args], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, universal_newlines=True)
            said = done.stdout + done.stderr
            assert re.findall(r"setcap (\S+)", said) and set(re.findall(r"setcap (\S+)", said)) == {CAPABILITIES}, said
    finally:
        os.unlink(program)


def test_no_btf(busy, can_record, tmp_path):
    for prepare in ("mount --bind /dev/null /sys/kernel/btf/vmlinux", "mount -t tmpfs none /sys/kernel/btf"):
        done = in_mounts(prepare, harness.GILSCOPE, "record", "--collector", "bpf", "-p", busy.pid, "-d", 1, "-o", tmp_path / "x")
        refused(done, MACHINE, "BTF", "CONFIG_DEBUG_INFO_BTF")
        assert not (tmp_path / "x").exists()
        doctor = in_mounts(prepare, harness.GILSCOPE, "doctor")
        assert doctor.returncode == 0 and re.search(r"FAIL +BTF", doctor.stdout) and "would use remote" in doctor.stdout, doctor.stdout
        done = in_mounts(prepare, harness.GILSCOPE, "record", "-p", busy.pid, "-d", 1, "-o", tmp_path / "x")
        assert done.returncode == 0 and re.search("collector remote: .* not bpf: .*BTF", done.stderr), done.stderr
        (tmp_path / "x").unlink()


@pytest.mark.parametrize("level", [1, 2])
def test_a_process_that_proc_hides(busy, level):
    program = readable_copy()
    try:
        prepare = "mount -t proc -o hidepid=%d proc /proc" % level
        done = in_mounts(prepare, *live.setpriv(), program, "dump", "-p", busy.pid)
        refused(done, ATTACH, "hidepid|hidden", "root")
        assert "()" not in done.stderr, done.stderr
        doctor = in_mounts(prepare, *live.setpriv(), program, "doctor", "-p", busy.pid)
        assert "hid" in doctor.stdout[doctor.stdout.index("\nProcess"):], doctor.stdout
    finally:
        os.unlink(program)


@pytest.mark.parametrize("scope, wanted, unwanted", [(0, "protected|dumpable", "ptrace_scope"), (1, "ptrace_scope=0", "reboot"),
                                                     (2, "ptrace_scope=0", "reboot"), (3, "reboot", "sysctl kernel")])
def test_yama(any_python, scope, wanted, unwanted):
    """The setting is faked (this kernel may have no yama), a refusal is had from a process that is not dumpable."""
    program = readable_copy()
    python = next((p for p in ("/usr/bin/python3",) if os.path.exists(p)), None) or pytest.skip("no Python other users can run")
    target = subprocess.Popen(live.setpriv() + [python, "-c", PROTECTED], stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        prepare = ("mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && "
                   "echo %d > /proc/sys/kernel/yama/ptrace_scope" % scope)
        done = in_mounts(prepare, *live.setpriv(), program, "dump", "-p", target.pid)
        refused(done, ATTACH, "permission", wanted)
        assert not re.search(unwanted, done.stderr), done.stderr
        doctor = in_mounts(prepare, *live.setpriv(), program, "doctor")
        yama = doctor.stdout[doctor.stdout.index("yama ptrace_scope"):].split("seccomp")[0]
        if scope:
            assert re.search(wanted, yama) and not re.search(unwanted, yama), yama
    finally:
        target.kill()
        target.wait()
        os.unlink(program)


def test_force_replaces_recordings_only(busy, can_record, tmp_path):
    letter = tmp_path / "letter"
    letter.write_text("dear reader\n" * 100)
    other = tmp_path / "other.db"
    db = sqlite3.connect(str(other))
    db.execute("CREATE TABLE precious(id)")
    db.commit()
    db.close()
    for path in (letter, other):
        before = path.read_bytes()
        refused(record("-p", busy.pid, "-o", path, "--force"), DATA, "not a recording")
        assert path.read_bytes() == before
    mine = tmp_path / "mine"
    for _ in range(2):
        assert record("-p", busy.pid, "-o", mine, "--force").returncode == 0
    killed = harness.Recorder(busy.pid, str(tmp_path / "killed"))
    killed.process.kill()
    killed.process.communicate()
    assert record("-p", busy.pid, "-o", tmp_path / "killed", "--force").returncode == 0
    (tmp_path / "empty").write_bytes(b"")
    assert record("-p", busy.pid, "-o", tmp_path / "empty", "--force").returncode == 0


def test_recording_is_private(busy, can_record, tmp_path):
    path = tmp_path / "x"
    assert record("-p", busy.pid, "-o", path).returncode == 0
    assert os.stat(str(path)).st_mode & 0o777 == 0o600
    assert not [p for p in os.listdir(str(tmp_path)) if p != "x"], "more than one file remained"
    path2 = tmp_path / "y"
    env = dict(os.environ, SUDO_UID="65534", SUDO_GID="65534")
    assert record("-p", busy.pid, "-o", path2, env=env).returncode == 0
    assert os.stat(str(path2)).st_uid == 65534


def test_bad_recordings(tmp_path, busy, can_record):
    good = tmp_path / "good"
    assert record("-p", busy.pid, "-o", good).returncode == 0
    data = good.read_bytes()
    refused(harness.gilscope("report", tmp_path / "nothing"), DATA)
    for name, content in (("text", b"hello\n" * 100), ("empty", b""), ("half", data[:len(data) // 2]), ("noise", os.urandom(8192)),
                          ("head", data[:100])):
        (tmp_path / name).write_bytes(content)
        refused(harness.gilscope("report", tmp_path / name), DATA)
    shutil.copy(str(good), str(tmp_path / "newer"))
    db = sqlite3.connect(str(tmp_path / "newer"))
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = %d" % (version + 1000000))
    db.commit()
    db.close()
    refused(harness.gilscope("report", tmp_path / "newer"), DATA, "newer|version")
    foreign = sqlite3.connect(str(tmp_path / "foreign"))
    foreign.execute("CREATE TABLE wait(id)")
    foreign.commit()
    foreign.close()
    refused(harness.gilscope("report", tmp_path / "foreign"), DATA)


def test_interrupt_ends_in_good_order(busy, can_record, tmp_path):
    for number in (signal.SIGINT, signal.SIGTERM):
        path = str(tmp_path / str(int(number)))
        recorder = harness.Recorder(busy.pid, path)
        time.sleep(0.7)
        code, out, err = recorder.stop(number)
        assert code == 0, err
        assert live.report(path)["recording"]["complete"] is True


def test_doctor(busy):
    done = harness.gilscope("doctor", "-p", busy.pid)
    assert done.returncode in (0, MACHINE), done.stderr
    assert done.stdout
    if done.returncode == 0:
        assert live.why_no_recording() is None
