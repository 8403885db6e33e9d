"""--workers (3) processes that share one multiprocessing.Lock: each holds it 20 ms at a time."""
import multiprocessing
import os
import time

import _load


def work(lock, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with lock:
            time.sleep(0.02)
        time.sleep(0.001)


options = _load.parse("pool_lock", workers=(int, 3))
_load.Work("pool_lock", options)
shared = multiprocessing.get_context("fork").Lock()
workers = [multiprocessing.get_context("fork").Process(target=work, args=(shared, options.seconds), daemon=True) for _ in range(options.workers)]
for worker in workers:
    worker.start()
_load.say(ready=True, pid=os.getpid(), name="pool_lock", workers=[w.pid for w in workers])
for worker in workers:
    worker.join()
