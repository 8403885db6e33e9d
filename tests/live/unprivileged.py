"""An unprivileged user for tests: no capabilities, no BPF; interpreters and the program where that user can run them."""
import contextlib
import os
import shutil
import subprocess
import tempfile

import pytest

import harness
import live


# In a mount namespace of its own the folders of interpreters that lie in a closed home folder are seen through: same paths, as
# libraries are found by them.
OPEN_HOME = """
set -e
for d in .pyenv .cache; do mkdir -p "$HIDDEN/$d"; [ ! -d "$HOME/$d" ] || mount --bind "$HOME/$d" "$HIDDEN/$d"; done
mount -t tmpfs -o mode=755 none "$HOME"
for d in .pyenv .cache; do mkdir "$HOME/$d"; ! mountpoint -q "$HIDDEN/$d" || mount --move "$HIDDEN/$d" "$HOME/$d"; done
chmod 755 "$HOME/.cache" 2>/dev/null || true
exec "$@"
"""


class User:
    """A folder of nobody's, and commands run as nobody."""

    def __init__(self, directory):
        self.directory = directory
        self.program = shutil.copy(harness.GILSCOPE, os.path.join(directory, "gilscope"))
        self.started = []
        home = os.path.expanduser("~")
        self.env = dict(os.environ, HIDDEN=os.path.join(directory, "hidden"), HOME=home)
        self.prefix = live.setpriv("--bounding-set=-all", "--inh-caps=-all")
        if not os.stat(home).st_mode & 1:
            self.prefix = ["unshare", "--mount", "sh", "-c", OPEN_HOME, "sh"] + self.prefix

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, text):
        path = self.path(name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def python(self, path):
        """The interpreter, if nobody can run it."""
        done = subprocess.run(self.prefix + [path, "-c", ""], env=self.env, stderr=subprocess.PIPE, universal_newlines=True)
        return path if not done.returncode else pytest.skip("nobody cannot run %s: %s" % (path, done.stderr.strip()))

    def start(self, *command, **kwargs):
        process = subprocess.Popen(self.prefix + [str(c) for c in command], stdout=subprocess.PIPE, universal_newlines=True, cwd=self.directory,
                                   env=self.env, **kwargs)
        self.started.append(process)
        return process

    def gilscope(self, *args, timeout=60):
        return subprocess.run(self.prefix + [self.program] + [str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=timeout, cwd=self.directory, env=self.env)


@contextlib.contextmanager
def user():
    directory = tempfile.mkdtemp(prefix="gilscope-nobody")
    os.chmod(directory, 0o777)
    u = User(directory)
    try:
        yield u
    finally:
        for process in u.started:
            process.kill()
            process.wait()
            process.stdout.close()
        shutil.rmtree(directory, ignore_errors=True)
