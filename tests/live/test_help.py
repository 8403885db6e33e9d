"""What --help says, the man page, and the completion name the same commands and options."""
import os
import re
import subprocess

import pytest

import harness

COMMANDS = re.findall(r"^  (\w+)  ", harness.gilscope("--help").stdout.split("Commands:")[1].split("Start here")[0], re.M)
COMMON = {"--color", "--help", "-h"}


def options(command):
    """Of its own, from its help page."""
    text = harness.gilscope(command, "--help").stdout
    lines = re.findall(r"^ {2,6}((?:-\w, )?--\w[^ ]*)", text, re.M)
    return {re.sub(r"[=\[].*", "", o) for line in lines for o in line.split(", ")} - COMMON


def man(command):
    with open(os.path.join(harness.ROOT, "docs", "gilscope.1.scd")) as f:
        text = f.read()
    section = re.search(r"^## %s\n(.*?)(?=^#)" % command, text, re.M | re.S)
    return section.group(1) if section else None


def complete(*words):
    """What the shell offers for the last word."""
    script = "source %s; COMP_WORDS=(gilscope %s); COMP_CWORD=%d; _gilscope; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
        os.path.join(harness.ROOT, "scripts", "gilscope.bash"), " ".join("'%s'" % w for w in words), len(words))
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert not done.stderr, done.stderr
    return set(done.stdout.split())


def test_commands():
    assert set(COMMANDS) <= complete("")
    assert set(COMMANDS) <= complete("help", "")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("help", "version")])
def test_options(command):
    found = options(command)
    assert found
    assert complete(command, "-") - COMMON == found
    section = man(command)
    assert section, "no section in the man page"
    named = set(re.findall(r"\*(--?[\w-]+)\*", "\n".join(re.findall(r"^\*-.*$", section, re.M))))
    assert named == found


def test_values():
    """The completion offers values that the program takes, each of them."""
    export = harness.gilscope("export", "--help").stdout
    formats = re.findall(r"^  (\w+)  ", export.split("Formats:")[1].split("Weights:")[0], re.M)
    assert complete("export", "--to", "") == set(formats)
    for words in (["--to"], ["--to", "collapsed", "--weight"]):
        for value in complete("export", *words, ""):
            done = harness.gilscope("export", "/nonexistent", *words, value)
            assert done.returncode == 4, (words, value, done.stderr)
    for value in complete("report", "--format", ""):
        assert harness.gilscope("report", "/nonexistent", "--format", value).returncode == 4
    assert str(os.getpid()) in complete("dump", "-p", ""), "this Python is not offered"
