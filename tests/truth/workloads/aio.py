"""Event loops: tasks that compute, sleep on the loop, stop it, and are many; one loop in the main thread, one in another, and a CPU
thread beside them, so that the loops wait for the GIL.  --loop uvloop: that one's event loops instead of asyncio's own.

Every function that computes or stops is called by one task only, whose name its own name tells: that is the truth about names.
Python 3.11 and newer; for older ones it says that it has nothing to do."""
import asyncio
import sys
import threading
import time

import _load

LONG = "a task with a long name: żółw"
STOP_S, STOP_EVERY_S = 0.15, 0.45
counters = {}


def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(200))


async def of_short():
    work(0.02)
    await asyncio.sleep(0.01)


async def short_task(state):
    while not state.stop:
        await of_short()
        counters["short"][0] += 1


async def of_long():
    work(0.02)
    await asyncio.sleep(0.01)


async def long_task(state):
    while not state.stop:
        await of_long()
        counters["long"][0] += 1


async def of_number():  # by tasks without a name, one after another
    work(0.01)
    await asyncio.sleep(0)


async def many_tasks(state):
    while not state.stop:
        await asyncio.create_task(of_number())
        counters["number"][0] += 1
        await asyncio.sleep(0.02)


def stop_the_loop():
    time.sleep(STOP_S)
    counters["stops"][0] += 1


async def stopping_task(state):
    while not state.stop:
        await asyncio.sleep(STOP_EVERY_S)
        stop_the_loop()


def compute_in_callback():
    work(STOP_S)
    counters["computed"][0] += 1


def callback(loop, state):  # no task runs it
    compute_in_callback()
    if not state.stop:
        loop.call_later(STOP_EVERY_S, callback, loop, state)


async def yielding_task(state):  # never stops the loop, and never lets it sleep
    while not state.stop:
        work_of_yielding()
        await asyncio.sleep(0)


def work_of_yielding():
    work(0.02)  # longer than a switch interval: whoever gives the GIL up sooner and takes it back at once starves the other loop


async def first_loop(state):
    loop = asyncio.get_running_loop()
    loop.call_later(0.3, callback, loop, state)
    tasks = [loop.create_task(short_task(state)), loop.create_task(long_task(state)), loop.create_task(stopping_task(state))]
    for task, name in zip(tasks, ("short", LONG, "stopper")):
        task.set_name(name)
    tasks.append(loop.create_task(many_tasks(state)))
    await asyncio.gather(*tasks)


async def second_loop(state):
    await asyncio.get_running_loop().create_task(yielding_task(state), name="yielder")


def main():
    options = _load.parse("aio", hogs=(int, 0), loop=(str, None))
    if sys.version_info < (3, 11):
        _load.say(skip="asyncio is not read before 3.11")
        return
    if options.loop:
        asyncio.set_event_loop_policy(__import__(options.loop).EventLoopPolicy())
    state = _load.Work("aio", options)
    for name in ("short", "long", "number", "stops", "computed"):
        counters[name] = state.slot(name)
    for i in range(options.hogs):
        state.thread("hog-%d" % i, _load.burn)
    other = threading.Thread(target=lambda: asyncio.run(second_loop(state)), name="second-loop", daemon=True)
    other.start()
    first = threading.Thread(target=lambda: asyncio.run(first_loop(state)), name="first-loop", daemon=True)
    first.start()
    state.run()
    first.join(5)
    other.join(5)


main()
