"""report --open: the page is written, then given to a browser, whose failure is told and not hidden."""
import os
import stat
import subprocess

import pytest

import harness

MAKE = os.path.join(harness.BUILD, "tests", "golden", "report", "make_recording")
ROWS = "meta collector=bpf cpus=2\nprocess id=0 pid=100 command=app.py runtime=CPython\\s3.11.2 interval=5ms\nend at=0\n"


@pytest.fixture
def recording(tmp_path):
    if not os.path.exists(MAKE):
        pytest.skip("no make_recording: make check-golden builds it")
    rows = tmp_path / "rows"
    rows.write_text(ROWS)
    subprocess.run([MAKE, str(rows), str(tmp_path / "a file.gilscope")], check=True)
    return tmp_path / "a file.gilscope"


def launcher(path, status=0):
    """Notes its arguments, one a line."""
    path.parent.mkdir(exist_ok=True)
    path.write_text('#!/bin/sh\nprintf "%%s\\n" "$@" >"%s.told"\nexit %d\n' % (path, status))
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def show(recording, **env):
    html = recording.parent / "a page.html"
    ours = {k: v for k, v in os.environ.items() if k not in ("BROWSER", "SUDO_UID", "SUDO_GID")}
    done = harness.gilscope("report", recording, "-o", html, "--open", env=dict(ours, **env), cwd=str(recording.parent))
    assert html.read_text().startswith("<!")
    return done, html


def told(path):
    return (path.parent / (path.name + ".told")).read_text().splitlines()


def test_xdg_open(recording, tmp_path):
    xdg = launcher(tmp_path / "bin" / "xdg-open")
    done, html = show(recording, PATH=str(xdg.parent))
    assert done.returncode == 0, done.stderr
    assert told(xdg) == [str(html)], "one argument, absolute, spaces and all"


def test_browser_variable(recording, tmp_path):
    xdg, mine = launcher(tmp_path / "bin" / "xdg-open"), launcher(tmp_path / "bin" / "my-browser")
    done, html = show(recording, PATH=str(xdg.parent), BROWSER="my-browser")
    assert done.returncode == 0, done.stderr
    assert told(mine) == [str(html)]
    assert not (xdg.parent / "xdg-open.told").exists()


def test_list_of_browsers_is_for_xdg_open(recording, tmp_path):
    xdg = launcher(tmp_path / "bin" / "xdg-open")
    done, html = show(recording, PATH=str(xdg.parent), BROWSER="one:two %s")
    assert done.returncode == 0, done.stderr
    assert told(xdg) == [str(html)]


@pytest.mark.parametrize("status", [None, 3])
def test_no_browser(recording, tmp_path, status):
    """None at all, and one that fails: the page stays, the reason and a way out are told."""
    (tmp_path / "bin").mkdir()
    if status is not None:
        launcher(tmp_path / "bin" / "xdg-open", status)
    done, html = show(recording, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1, done.stderr
    assert "could not open the report" in done.stderr and "BROWSER" in done.stderr
    assert html.exists()
