"""gilscope check: runs side by side, recordings, budgets, marks, and what its outputs are to readers that are not ours."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

import harness
from live import can_record  # noqa: F401  (fixture)

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(harness.ROOT, "scripts")
PROGRAM = os.path.join(HERE, "check_program.py")
ROUNDS = ("--rounds", "6", "--warmup", "0", "--metric", "gil_wait_per_op", "--steal-max", "100%")  # what is looked for is far larger

# relative to the repository, else to where check runs
NAMED = os.path.relpath(PROGRAM, harness.ROOT) if os.path.exists(os.path.join(harness.ROOT, ".git")) else "check_program.py"

sys.path.insert(0, SCRIPTS)


SOURCE = "https://git.example/o/r/blob/abc"


def check(*args, cwd=None, timeout=300):
    return subprocess.run([harness.GILSCOPE, "check", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, cwd=cwd, timeout=timeout)


def program(python, hold, seconds=0.8, fail=0):
    return "%s %s --hold %g --seconds %g --fail %d" % (python, PROGRAM, hold, seconds, fail)


@pytest.fixture(scope="module")
def regressed(tmp_path_factory):
    """Thirty times the work with the GIL at a time, found by 6 rounds, with every output.  So much that all six rounds show it on a
    machine that does other things too."""
    import live
    reason = live.why_no_recording()
    if reason:
        pytest.skip(reason)
    python = live.FOUND[live.default_label()]
    out = tmp_path_factory.mktemp("check")
    outputs = {name: str(out / ("check." + name)) for name in ("json", "junit", "markdown", "sarif", "html")}
    args = [x for name, path in outputs.items() for x in ("--" + name, path)]
    done = check(*ROUNDS, "--seed", 7, "--base-cmd", program(python, 0.5), "--head-cmd", program(python, 15), "--keep", out / "kept", "--github",
                 "--source-url", SOURCE, *args, cwd=HERE)
    return done, outputs, str(out / "kept")


def test_a_regression_fails_and_is_blamed(regressed):
    done, outputs, kept = regressed
    assert done.returncode == 1, done.stdout + done.stderr
    with open(outputs["json"]) as f:
        found = json.load(f)
    assert found["outcome"] == "fail" and found["comparison"] == "paired" and found["seed"] == 7
    assert found["metrics"][0]["low"] > 0.5  # it did five times as much
    worst = found["sites"][0]
    assert worst["holder"].startswith("hog ") and worst["waiter"].startswith("serve "), worst
    assert worst["file"] == NAMED
    assert worst["line"] == 1 + open(PROGRAM).read().split("\n").index('        while time.perf_counter() < end:') or \
        "TEXT.count" in open(PROGRAM).read().split("\n")[worst["line"] - 1]
    assert found["regions"][0]["name"] == "unit" and found["regions"][0]["head_s"] > 1.5 * found["regions"][0]["base_s"]
    assert len(re.findall(r"round \d of 6", done.stderr)) == 6
    assert len([x for x in os.listdir(kept) if x.endswith(".gilscope")]) == 12


def test_the_page_shows_metrics_lines_and_what_differs(regressed):
    read = os.path.join(harness.ROOT, "tests", "golden", "diff", "read_page.py")
    page = subprocess.run([sys.executable, read, regressed[1]["html"]], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout
    with open(regressed[1]["json"]) as f:
        found = json.load(f)
    lines = page.split("\n")
    assert lines[0] == "gilscope check" and lines[1].startswith("fail ")
    assert any(line.startswith("gil_wait_per_op") and line.endswith("fail") for line in lines)
    assert any(line.startswith("serve (") and "hog (" in line and line.endswith(" yes") for line in lines)
    with open(regressed[1]["html"]) as f:
        assert '<a href="%s/%s#L%d">' % (SOURCE, NAMED, found["sites"][0]["line"]) in f.read()
    total = sum(run["ops"] for run in found["head"]["runs"])
    assert total > 0
    assert any("%.6g units of work" % total in line for line in lines), total  # every run is in it
    assert any(re.match(r" +\[(more|new)\] hog \(.*check_program.py", line) for line in lines)


def test_junit_is_read_by_junitparser(regressed):
    junitparser = pytest.importorskip("junitparser")
    cases = [c for suite in junitparser.JUnitXml.fromfile(regressed[1]["junit"]) for c in suite]
    assert {c.name: [type(r).__name__ for r in c.result] for c in cases} == {"validity": [], "gil_wait_per_op": ["Failure"]}
    assert "hog" in cases[1].result[0].text


def test_sarif_has_the_shape_of_sarif(regressed):
    ask = (".version == \"2.1.0\" and (.runs | length == 1) and (.runs[0].tool.driver.rules | length == 6)"
           " and all(.runs[0].tool.driver.rules[]; .id and .help.text and .shortDescription.text)"
           " and (.runs[0].results | length >= 1)"
           " and all(.runs[0].results[]; . as $r | $r.message.text and $r.partialFingerprints[\"gilscopeSite/v1\"] and"
           " ($r.locations[0].physicalLocation | .artifactLocation.uri == \"" + NAMED + "\" and .region.startLine > 0))"
           " and (.runs[0] | .tool.driver.rules as $rules | all(.results[]; . as $r | $rules[$r.ruleIndex].id == $r.ruleId))")
    assert subprocess.run(["jq", "-e", ask, regressed[1]["sarif"]], stdout=subprocess.DEVNULL).returncode == 0


def test_sarif_is_what_the_schema_says(regressed):
    """SARIF_SCHEMA: the 2.1.0 schema of its authors, sarif-schema-2.1.0.json, which is not ours to hand on."""
    schema = os.environ.get("SARIF_SCHEMA")
    if not schema:
        pytest.skip("no SARIF_SCHEMA=/path/to/sarif-schema-2.1.0.json")
    jsonschema = pytest.importorskip("jsonschema")
    with open(schema) as f, open(regressed[1]["sarif"]) as g:
        rules, sarif = json.load(f), json.load(g)
    if "properties" not in rules:  # the later editions name their root
        rules.update(rules["definitions"]["Root"])
    errors = jsonschema.Draft7Validator(rules, format_checker=jsonschema.FormatChecker()).iter_errors(sarif)
    assert [e.message for e in errors] == []


def test_github_annotations_name_the_line(regressed):
    lines = regressed[0].stdout.split("\n")
    commands = [line for line in lines if line.startswith("::")]
    assert any(re.match(r"::error file=" + re.escape(NAMED) + r",line=\d+,title=[^:]*::.*hog", line) for line in commands), commands
    stop = next(line for line in commands if line.startswith("::stop-commands::"))
    assert "::%s::" % stop.split("::")[2] == commands[-1]  # and nothing of the table is taken for a command
    assert os.path.getsize(regressed[1]["markdown"]) < 1 << 20


ROWS = """
meta collector=bpf cpus=2 hz=0 cpu=%(cpu)s kernel=6.18
process id=0 pid=100 name=python3 command=app.py runtime=CPython\\s3.11.2 interval=5ms
thread id=0 proc=0 tid=100 comm=python3 name=MainThread main=1 from=0 to=3s
thread id=1 proc=0 tid=101 comm=python3 name=hog from=0 to=3s
stack id=1 f=serve@/srv/app.py:20
stack id=2 f=hog@/srv/app.py:40
lock id=0 proc=0 kind=gil addr=0x1000 interp=0 stack=1
interval thread=0 state=wait_gil t=0 for=%(us)dus lock=0 repeat=300 every=10ms
interval thread=1 state=gil t=0 for=%(us)dus lock=0 repeat=300 every=10ms
wait thread=0 lock=0 t=0 for=%(us)dus stack=1 end=voluntary credit=1,running,-1,2,%(us)dus repeat=300 every=10ms
hold thread=1 lock=0 t=0 for=%(us)dus stack=2 repeat=300 every=10ms
hold thread=0 lock=0 t=%(us)dus for=10us stack=1 repeat=300 every=10ms
end at=3s
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """stored(name, held us of each run): recordings whose numbers are known, so that what is judged does not hang on the machine."""
    tool = os.path.join(os.path.dirname(harness.GILSCOPE), "tests", "golden", "report", "make_recording")
    folder = tmp_path_factory.mktemp("stored")

    def make(name, held_us, cpu="one"):
        paths = []
        for i, us in enumerate(held_us):
            rows, path = folder / ("%s-%d.rows" % (name, i)), folder / ("%s-%d.gilscope" % (name, i))
            rows.write_text(ROWS.lstrip() % {"us": us, "cpu": cpu})
            subprocess.run([tool, str(rows), str(path)], check=True)
            paths.append(str(path))
        return paths
    return make


BASE_US, HEAD_US = (1000, 1040, 980, 1010, 960, 1030), (5000, 5100, 4900, 5050, 4950, 5020)


def test_recordings_against_a_baseline(stored):
    bases, heads = stored("base", BASE_US), stored("head", HEAD_US)
    worse = check(*heads, "--metric", "gil_hold_p99", "--baseline", *bases)
    assert worse.returncode == 1, worse.stdout
    assert "not paired" in worse.stdout and "hog (/srv/app.py:40)" in worse.stdout
    same = check(*heads, "--metric", "gil_hold_p99", "--baseline", *stored("again", HEAD_US[::-1]))
    assert same.returncode == 0 and same.stdout.startswith("gilscope check: pass"), same.stdout
    better = check(*bases, "--metric", "gil_hold_p99", "--baseline", *heads)
    assert better.returncode == 0 and "improved" in better.stdout, better.stdout
    few = check(*heads[:3], "--metric", "gil_hold_p99", "--baseline", *bases[:3], "--fail-on-inconclusive")
    assert few.returncode == 3 and "too few runs" in few.stdout, few.stdout


def test_budgets(stored):
    heads = stored("budget", HEAD_US)
    assert check(*heads, "--max", "gil_wait_ratio=99%", "--max", "gil_hold_p99=1s").returncode == 0
    over = check(*heads, "--max", "gil_hold_p99=4ms")
    assert over.returncode == 1 and "4.00 ms" in over.stdout
    assert check(*heads, "--max", "gil_hold_p99=5ms", "--fail-on-inconclusive").returncode == 3  # within the runs' own spread
    assert check(*heads, "--max", "gil_hold_p99=banana").returncode == 2
    assert check(*heads, "--max", "gil_wait_per_op=1ms", "--fail-on-inconclusive").returncode == 3  # no units of work: not measured
    assert check(*heads, "--ops", 300, "--max", "gil_wait_per_op=6ms").returncode == 0  # 300 waits of 5 ms in 300 units
    assert check(*heads, "--ops", 300, "--max", "gil_wait_per_op=4ms").returncode == 1
    assert check(*heads).returncode == 2  # nothing to compare with


def test_unlike_recordings_are_refused(stored):
    one, other = stored("here", (1000,)), stored("there", (1000,), cpu="another")
    refused = check(*one, "--baseline", *other)
    assert refused.returncode == 3 and "unlike CPU models" in refused.stdout, refused.stdout + refused.stderr
    forced = check(*one, "--baseline", *other, "--force-unlike")
    assert forced.returncode == 0 and "unlike CPU models" in forced.stdout


# What a machine that others use too may do to runs; such runs are not judged, which is right, and says so.
MACHINE = ("lost CPU time to other virtual machines", "were throttled by a CPU quota", "differ in length by", "at least 200 are needed")


def test_the_same_command_is_no_regression(can_record, any_python, tmp_path):  # noqa: F811
    out = str(tmp_path / "aa.json")
    done = check("--rounds", 6, "--warmup", 1, "--aa", "--base-cmd", program(any_python, 1, 0.4), "--json", out)
    with open(out) as f:
        found = json.load(f)
    if found["outcome"] == "not valid":
        assert all(any(text in reason for text in MACHINE) for reason in found["invalid"]), found["invalid"]
        assert done.returncode == 3
    else:
        assert done.returncode == 0, done.stdout + done.stderr
    noise = {row["metric"]: row for row in found["noise"]}
    assert noise["gil_wait_per_op"]["limit"] >= max(0.10, 2 * noise["gil_wait_per_op"]["noise"] - 1e-9)
    assert "proposed" in done.stdout or "limit" in done.stdout


def test_a_disturbed_round_is_run_again(can_record, any_python, tmp_path):  # noqa: F811
    """With a /proc/stat of our own, in which the first, the third and the fourth run of the base lose a tenth of the CPU time."""
    stat, count = tmp_path / "stat", tmp_path / "count"
    tool = tmp_path / "base.sh"
    tool.write_text("""%s
n=$(cat %s); echo $((n + 1)) >%s
case $n in 0|2|3) stolen=100;; *) stolen=0;; esac
read -r cpu a b c d e f g steal rest <%s
echo "cpu $((a + 1000 - stolen)) 0 0 0 0 0 0 $((steal + stolen)) 0 0" >%s
""" % (program(any_python, 0.5, 0.2), count, count, stat, stat))

    def checked(*args):
        stat.write_text("cpu 1000 0 0 0 0 0 0 0 0 0\n")
        count.write_text("0\n")
        inside = "mount --bind %s /proc/stat && exec %s check --rounds 2 --warmup 0 --seed 1 --json %s --keep %s --base-cmd 'sh %s' --head-cmd '%s' %s" % (
            stat, harness.GILSCOPE, tmp_path / "out.json", tmp_path / "kept", tool, program(any_python, 0.5, 0.2), " ".join(args))
        done = subprocess.run(["unshare", "--mount", "sh", "-c", inside], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120)
        if "unshare:" in done.stderr or "mount:" in done.stderr:
            pytest.skip("no mount namespaces here")
        with open(str(tmp_path / "out.json")) as f:
            return done, json.load(f)

    done, found = checked()
    assert done.stderr.count("a round is run again: a run lost 10") == 1, done.stderr  # half of two rounds is one
    assert [note for note in found["notes"] if note.startswith("1 round more was run")], found["notes"]
    assert "1 of 2 runs of base lost CPU time" in " ".join(found["invalid"]), found["invalid"]  # the third one counts as it is
    assert len(found["base"]["runs"]) == len(found["head"]["runs"]) == 2 and int(count.read_text()) == 3
    assert sorted(x for x in os.listdir(str(tmp_path / "kept")) if x.endswith(".gilscope")) == [
        "round001-base.gilscope", "round001-head.gilscope", "round002-base.gilscope", "round002-head.gilscope"]
    shutil.rmtree(str(tmp_path / "kept"))
    done, found = checked("--steal-max", "20%")
    assert "run again" not in done.stderr and "steal" not in " ".join(found["invalid"] + found["notes"]), (done.stderr, found["invalid"])


def unprivileged(any_python, folder, *prefix):
    """A check by a user without rights, in a folder of its own; what it found."""
    import live
    for name in (PROGRAM, os.path.join(SCRIPTS, "gilscope_mark.py")):
        shutil.copy(name, str(folder))
    if "/root/" in any_python:
        any_python = "/usr/bin/python3"  # the other is not for everybody to read
    command = "PYTHONPATH=. %s check_program.py --seconds 0.4 --hold " % any_python
    done = subprocess.run([*prefix, *live.setpriv("--inh-caps=-all", "--bounding-set=-all"), "env", "TMPDIR=" + str(folder), "HOME=/", "SUDO_UID=",
                           harness.GILSCOPE, "check", "--rounds", "6", "--warmup", "0", "--metric", "gil_wait_per_op", "--metric", "gil_held_blocked", "--steal-max", "100%",
                           "--base-cmd", command + "0.5", "--head-cmd", command + "15", "--json", "check.json"],
                          cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    with open(str(folder / "check.json")) as f:
        found = json.load(f)
    assert {m["metric"]: m["verdict"] for m in found["metrics"]} == {"gil_wait_per_op": "fail", "gil_held_blocked": "not measured"}
    note = next(n for n in found["notes"] if "signal collector" in n)
    assert "not bpf: " in note and "it cannot measure gil_held_blocked" in note and note.split(" (")[0] in done.stdout
    assert found["sites"][0]["holder"].startswith("hog "), found["sites"][0]


def test_without_any_privilege(any_python, open_folder):
    unprivileged(any_python, open_folder)


def test_in_a_container_without_capabilities(any_python, open_folder):
    """Own user, pid and mount namespaces, no capability: what a job in a CI container has."""
    probe = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*probe, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no namespaces here")
    unprivileged(any_python, open_folder, *probe)


def test_under_sudo_the_commands_are_the_users(can_record, open_folder):  # noqa: F811
    if os.geteuid():
        pytest.skip("needs root to become another user")
    say = "(id -u; id -g; echo $HOME; grep CapEff /proc/self/status; test -w $GILSCOPE_MARKS && echo marks) >%s; sleep 0.3"
    env = dict(os.environ, SUDO_UID="65534", SUDO_GID="65534", HOME="/as/given", TMPDIR=str(open_folder))
    done = subprocess.run([harness.GILSCOPE, "check", "--rounds", "1", "--warmup", "0", "--base-cmd", say % (open_folder / "base"),
                           "--head-cmd", say % (open_folder / "head"), "--json", str(open_folder / "out.json")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, env=env, timeout=120)
    assert done.returncode == 3, done.stdout + done.stderr  # no Python, no waits: not valid
    for side in ("base", "head"):
        uid, gid, home, caps, marks = (open_folder / side).read_text().splitlines()
        assert (uid, gid, home, marks) == ("65534", "65534", "/as/given", "marks") and int(caps.split()[1], 16) == 0
    assert os.stat(str(open_folder / "out.json")).st_uid == 65534


def test_a_failing_command_stops_with_its_status(can_record, any_python, tmp_path):  # noqa: F811
    before = set(os.listdir("/tmp"))
    done = check(*ROUNDS, "--base-cmd", program(any_python, 1, 0.3, 5), "--head-cmd", program(any_python, 1, 0.3, 5))
    assert done.returncode == 1 and "ended with status 5" in done.stderr, done.stderr
    assert not [x for x in set(os.listdir("/tmp")) - before if x.startswith("gilscope-check")]


@pytest.mark.parametrize("doctor, code", [(77, 77), (0, 1)])
def test_a_machine_that_cannot_record_is_told_apart(doctor, code, tmp_path):
    recorder = tmp_path / "recorder"
    recorder.write_text("#!/bin/sh\n[ $1 = doctor ] && exit %d\necho no BTF here\nexit 125\n" % doctor)
    recorder.chmod(0o755)
    done = check("--recorder", recorder, "--rounds", 1, "--base-cmd", "true", "--head-cmd", "true")
    assert done.returncode == code and "no BTF here" in done.stderr, done.stderr


def test_too_few_waits_are_not_valid(can_record, any_python):  # noqa: F811
    idle = "%s -c 'import time; time.sleep(0.7)'" % any_python
    done = check("--rounds", 2, "--warmup", 0, "--base-cmd", idle, "--head-cmd", idle)
    assert done.returncode == 3 and "at least 200 are needed" in done.stdout, done.stdout + done.stderr


def test_ctrl_c_ends_cleanly(can_record, any_python, tmp_path):  # noqa: F811
    p = subprocess.Popen([harness.GILSCOPE, "check", *ROUNDS, "--base-cmd", program(any_python, 1), "--head-cmd",
                          program(any_python, 1)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
                         env=dict(os.environ, TMPDIR=str(tmp_path)))
    for line in p.stderr:
        if "round 1 of" in line:
            break
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=30)
    assert p.returncode == 130 and "after 1 of 6 rounds" in err, err
    assert os.listdir(str(tmp_path)) == []


# --- gilscope_mark -------------------------------------------------------------

MARKING = """
import os, threading, time
import gilscope_mark as m
def work():
    for _ in range(1000):
        with m.region("r\\u00e9gion"):
            m.op(2)
threads = [threading.Thread(target=work) for _ in range(5)]
for t in threads: t.start()
for t in threads: t.join()
for _ in range(3000):   # more threads than slots, one after another
    t = threading.Thread(target=m.op); t.start(); t.join()
pid = os.fork()
m.op(7)
if pid == 0:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
@m.region("decorated")
def f(): pass
f()
for i in range(100):
    with m.region("many %d" % i): pass
"""


def read_marks(path):
    """An own reading of the documented layout."""
    with open(path, "rb") as f:
        data = f.read()
    words = memoryview(data).cast("Q")
    assert data[:8] == b"GSMARKS\0" and words[1] == 1
    names = [data[64 + 64 * i:128 + 64 * i].rstrip(b"\0").decode() for i in range(64)]
    ops, regions = 0, {}
    for slot in range(words[2]):
        at = 520 + 130 * slot
        ops += words[at]
        for i, name in enumerate(names):
            if words[at + 2 + 2 * i]:
                n, ns = regions.get(name, (0, 0))
                regions[name] = (n + words[at + 2 + 2 * i], ns + words[at + 3 + 2 * i])
    return ops, regions, words[3]


def test_marks_count_in_threads_and_forks(any_python, tmp_path):
    env = dict(os.environ, GILSCOPE_MARKS=str(tmp_path), PYTHONPATH=SCRIPTS)
    subprocess.run([any_python, "-c", MARKING], env=env, check=True, timeout=60)
    files = sorted(os.listdir(str(tmp_path)))
    assert len(files) == 2, files  # parent and child
    read = sorted((read_marks(str(tmp_path / f)) for f in files), key=lambda x: x[0])
    assert read[0][0] == 7 and read[0][1] == {}
    assert read[1][0] == 5 * 1000 * 2 + 3000 + 7
    assert read[1][1]["région"][0] == 5000 and read[1][1]["région"][1] > 0
    assert read[1][1]["decorated"][0] == 1
    assert read[1][1]["(others)"][0] == 100 - 61 and read[1][2] == 0


def test_marks_do_nothing_unasked(any_python, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "GILSCOPE_MARKS"}
    env["PYTHONPATH"] = SCRIPTS
    script = "import gilscope_mark as m, os\nm.op(3)\nwith m.region('x'): pass\nassert os.listdir('.') == []\n"
    subprocess.run([any_python, "-c", script], env=env, check=True, timeout=60, cwd=str(tmp_path))


def test_a_place_that_cannot_be_written_is_said_once(any_python, tmp_path):
    env = dict(os.environ, GILSCOPE_MARKS=str(tmp_path / "none"), PYTHONPATH=SCRIPTS)
    done = subprocess.run([any_python, "-c", "import gilscope_mark as m\nm.op()\nm.op()"], env=env, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0 and done.stderr.count(b"could not count") == 1
