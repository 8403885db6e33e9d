"""Threads are shown by the name threading gave them, also those that come and go while it records."""
import subprocess

import harness
import live

SHORT_LIVED = """
import itertools, threading, time
print('up', flush=True)
for i in itertools.count():
    threading.Thread(target=time.sleep, args=(0.4,), name='job-%d' % i, daemon=True).start()
    time.sleep(0.05)
"""


def test_threads_of_less_than_half_a_second_have_names(any_python, can_record, tmp_path):
    path = str(tmp_path / "names")
    target = subprocess.Popen([any_python, "-c", SHORT_LIVED], stdout=subprocess.PIPE)
    try:
        target.stdout.readline()
        done = harness.gilscope("record", "-p", target.pid, "-d", 4, "-o", path)
        assert done.returncode == 0, done.stderr
    finally:
        target.kill()
        target.wait()
    (p,) = live.report(path)["processes"]
    names = [t["name"] for t in p["threads"] if not t["main"]]
    named = sum(n.startswith("job-") for n in names)
    print("%d of %d named" % (named, len(names)))
    assert len(names) > 40 and named >= 0.8 * len(names), names
