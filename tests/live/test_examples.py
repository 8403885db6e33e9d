"""The CI jobs of examples/ci: what they run is run here, on a repository of two versions, as far as a shell does it.  Installing is left
out: GILSCOPE stands in the PATH."""
import os
import subprocess
import xml.etree.ElementTree

import pytest

import harness
from live import can_record  # noqa: F401  (fixture)

yaml = pytest.importorskip("yaml")

EXAMPLES = os.path.join(harness.ROOT, "examples", "ci")
# base holds the GIL for half a millisecond at a time, head for fifteen
PROGRAM = """
import sys, threading, time
sys.setswitchinterval(1)
text, stop = b"gil" * 200000, threading.Event()
def hog():
    while not stop.is_set():
        end = time.perf_counter() + %s
        while time.perf_counter() < end:
            text.count(b"x")
        time.sleep(0.0005)
def serve():
    while not stop.is_set():
        time.sleep(0.0002)
        sum(range(100))
threads = [threading.Thread(target=t) for t in [hog] + 6 * [serve]]
[t.start() for t in threads]
time.sleep(0.4)
stop.set()
[t.join() for t in threads]
"""
# What runs the job gives it: root by sudo, nothing more.
SUDO = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""


def load(name):
    with open(os.path.join(EXAMPLES, name)) as f:
        return yaml.safe_load(f)


def git(folder, *args):
    done = subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(folder), *args], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip()


def commit(folder, hold):
    os.makedirs(str(folder / "bench"), exist_ok=True)
    (folder / "bench" / "contended.py").write_text(PROGRAM % hold)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "hold %s" % hold)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path, any_python, can_record):  # noqa: F811
    """A repository `head` of two commits, a folder of programs for PATH; (workspace, base commit, head commit, environment)."""
    head, programs = tmp_path / "head", tmp_path / "bin"
    head.mkdir()
    git(head, "init", "-q")
    base_commit, head_commit = commit(head, "0.0005"), commit(head, "0.015")
    programs.mkdir()
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)
    os.symlink(harness.GILSCOPE, str(programs / "gilscope"))
    os.symlink(any_python, str(programs / "python3"))
    env = dict(os.environ, PATH="%s:%s" % (programs, os.environ["PATH"]), ROUNDS="10")
    return tmp_path, base_commit, head_commit, env


def shell(text, cwd, env):
    return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text], cwd=str(cwd), env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=600)


def compared(text, cwd, env):
    """The job's comparison, again where another virtual machine took so much of the CPUs that it judges nothing."""
    for _ in range(3):
        done = shell(text, cwd, env)
        if done.returncode != 3 or "(steal)" not in done.stdout:
            return done
    pytest.skip("other virtual machines take too much of the CPUs: nothing is judged")


def found_by(cwd, done):
    """The check failed, for the line of head, in all of its outputs."""
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [c.get("name") for c in xml.etree.ElementTree.parse(str(cwd / "gil.xml")).iter("testcase") if c.find("failure") is not None]
    assert "gil_hold_p99" in failed or "gil_wait_ratio" in failed or "gil_wait_p99" in failed, failed
    assert "hog" in (cwd / "gil.md").read_text() and "/bench/contended.py#L" in (cwd / "gil.html").read_text()


def test_the_github_job(project):
    workspace, base_commit, head_commit, env = project
    job = load("github.yml")["jobs"]["check"]
    git(workspace / "head", "worktree", "add", "-q", str(workspace / "base"), base_commit)
    env.update({key: str(value) for key, value in job["env"].items() if key != "ROUNDS"}, GITHUB_WORKSPACE=str(workspace), GITHUB_SHA=head_commit,
               GITHUB_SERVER_URL="https://git.example", GITHUB_REPOSITORY="o/r", GITHUB_STEP_SUMMARY=str(workspace / "summary"))
    steps = {s["name"]: s for s in job["steps"] if "run" in s}
    assert list(steps) == ["Install gilscope", "Would recording work here?", "Compare", "Summary"]
    doctor = shell(steps["Would recording work here?"]["run"], workspace, env)
    assert doctor.returncode == 0, doctor.stdout
    folder = workspace / steps["Compare"]["working-directory"]
    done = compared(steps["Compare"]["run"], folder, env)
    found_by(folder, done)
    assert "::error file=bench/contended.py,line=" in done.stdout
    assert shell(steps["Summary"]["run"], folder, env).returncode == 0
    assert (workspace / "summary").read_text().startswith("### gilscope check: fail")
    assert '"bench/contended.py"' in (folder / "gil.sarif").read_text()


def test_the_gitlab_job(project):
    workspace, base_commit, head_commit, env = project
    job = load("gitlab.yml")["gil"]
    script = "\n".join(job["script"]).replace("/tmp/base", str(workspace / "base"))
    env.update({key: str(value) for key, value in job["variables"].items() if key != "ROUNDS"}, CI_MERGE_REQUEST_DIFF_BASE_SHA=base_commit,
               CI_PROJECT_URL="https://git.example/o/r", CI_COMMIT_SHA=head_commit)
    begin, comparison = script.split("\n", 1)
    assert begin.startswith("git worktree add") and shell(begin, workspace / "head", env).returncode == 0
    found_by(workspace / "head", compared(comparison, workspace / "head", env))
    assert job["artifacts"]["reports"]["junit"] == "gil.xml" and job["before_script"][-1] == "gilscope doctor"


def test_the_jobs_name_what_there_is():
    """Options, and targets of make, that a job names exist."""
    known = harness.gilscope("check", "--help").stdout
    targets = subprocess.run(["make", "-C", harness.ROOT, "-n", "-q", "deps", "all", "install", "DESTDIR=/nonexistent"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, universal_newlines=True)
    assert "No rule" not in targets.stderr
    for name in ("github.yml", "gitlab.yml"):
        with open(os.path.join(EXAMPLES, name)) as f:
            words = f.read().replace("sudo --preserve-env=PATH", "").split()
        options = {w for w in words if w.startswith("--") and w not in ("--depth",)}
        assert options and all(o in known for o in options), options


