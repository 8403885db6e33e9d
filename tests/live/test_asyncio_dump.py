"""gilscope dump of asyncio's tasks: those that do not run, where their coroutines wait, by what the program says of itself."""
import json
import re

import pytest

import harness
import live
from test_asyncio import READ

BEFORE = [label for label in live.LABELS if re.match(r"3\.([789]|10)$", label)]


def dump(pid, *args):
    done = harness.gilscope("dump", "-p", pid, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("label", READ + list(harness.free_threaded()))
def test_tasks_that_wait(label):
    python = harness.free_threaded().get(label) or live.interpreter(label)
    with harness.Workload("aio_waiting", python, 60) as workload:
        shot, text = json.loads(dump(workload.pid, "--json")), dump(workload.pid)
    assert shot["tasks_known"] == "read" and not shot["more_tasks"], shot["tasks_known"]
    tasks = {t["name"]: t for t in shot["tasks"]}
    assert len(tasks) == len(shot["tasks"]), sorted(t["name"] for t in shot["tasks"])
    assert len(workload.said["told"]) == 11 and all(workload.said["told"].values())
    for name, places in workload.said["told"].items():
        task = tasks.pop("task " + name)
        stack = [[f["function"].split(".")[-1], f["line"]] for f in task["stack"]]
        assert stack == places[::-1] and task["state"] == "waiting", (name, task, places)
        want = "task waits: deep" if name == "waits: of a task" else "_GatheringFuture" if name == "waits: gatherer" else "Future"
        assert task["awaits"] == want, task
        assert all(f["file"].endswith(".py") for f in task["stack"]), task
        assert re.search(r"^%s: waits for %s$" % (re.escape("task " + name), re.escape(want)), text, re.M), text
    assert {t["state"] for t in tasks.values()} == {"new", "running"} and len(tasks) == 2, tasks
    assert tasks["task new"]["state"] == "new"


@pytest.mark.parametrize("label", BEFORE)
def test_not_read_is_said(label):
    with harness.Workload("aio_waiting", live.interpreter(label), 60) as workload:
        assert "asyncio: tasks are not read of this version" in dump(workload.pid)
        shot = json.loads(dump(workload.pid, "--json"))
    assert shot["tasks"] is None and shot["tasks_known"] == "not_read", shot


def test_nothing_is_said_without_asyncio(any_python):
    with harness.Workload("cpu4", any_python, 60) as workload:
        assert "asyncio" not in dump(workload.pid)
        assert json.loads(dump(workload.pid, "--json"))["tasks_known"] == "no_asyncio"


def test_while_they_come_and_go(any_python):
    """A loop at work: every look is an answer, and what is said to wait has a place."""
    with harness.Workload("aio", any_python, 60) as workload:
        for _ in range(12):
            shot = json.loads(dump(workload.pid, "--json"))
            assert shot["tasks_known"] in ("read", "torn"), shot["tasks_known"]
            for task in shot["tasks"]:
                assert task["stack"] and task["name"].startswith("task "), task
        assert workload.alive()
