"""Tasks that wait, each elsewhere; says of itself, by cr_await, where (the truth).  Then everything stands still.  Python 3.7 and newer."""
import asyncio
import contextlib
import os
import sys
import time
import types

import _load


async def bottom(wait):
    await wait


async def below(wait, depth):
    if depth:
        await below(wait, depth - 1)
    else:
        await bottom(wait)


@contextlib.asynccontextmanager
async def around():
    yield 1


async def inside_with(wait):
    async with around():
        try:
            await bottom(wait)
        finally:
            pass


async def items(wait):
    yield 1
    await wait
    yield 2


async def over_items(wait):
    async for _ in items(wait):
        pass


@types.coroutine
def old_style(wait):
    yield from wait.__await__()


async def by_old_style(wait):
    await old_style(wait)


async def of_tasks(task):
    await task


async def sleeper():
    await asyncio.sleep(1000)


async def gatherer(wait):
    await asyncio.gather(bottom(wait), bottom(wait))


async def asks(queue):
    await queue.get()


class OwnTask(asyncio.Task):
    pass


def places(coro):
    """[function, line] of a coroutine and what it awaits, outermost first."""
    found = []
    while coro is not None:
        frame = next((getattr(coro, key) for key in ("cr_frame", "gi_frame", "ag_frame") if hasattr(coro, key)), None)
        if frame is not None:
            found.append([frame.f_code.co_name, frame.f_lineno])
        elif type(coro).__name__ == "async_generator_asend":  # keeps its generator to itself: there is one in this program
            found.append(["items", ITEMS_LINE])
            break
        coro = next((getattr(coro, key) for key in ("cr_await", "gi_yieldfrom", "ag_await") if hasattr(coro, key)), None)
    return found


ITEMS_LINE = items.__code__.co_firstlineno + 2


async def main():
    options = _load.parse("aio_waiting")
    _load.Work("aio_waiting", options)
    loop = asyncio.get_running_loop()
    wait = loop.create_future()
    first = loop.create_task(below(wait, 20))
    tasks = {"deep": first, "with": loop.create_task(inside_with(wait)), "items": loop.create_task(over_items(wait)),
             "old style": loop.create_task(by_old_style(wait)), "of a task": loop.create_task(of_tasks(first)),
             "sleeper": loop.create_task(sleeper()), "gatherer": loop.create_task(gatherer(wait)),
             "asks a queue": loop.create_task(asks(asyncio.Queue())), "own": OwnTask(bottom(wait), loop=loop)}
    for name, task in tasks.items():
        if hasattr(task, "set_name"):
            task.set_name("waits: " + name)
    ended = loop.create_task(bottom(asyncio.sleep(0)), **({"name": "ended"} if sys.version_info >= (3, 8) else {}))
    await asyncio.sleep(0.2)
    new = loop.create_task(bottom(wait), **({"name": "new"} if sys.version_info >= (3, 8) else {}))
    told = {task.get_name(): places(task.get_coro()) for task in asyncio.all_tasks() if task not in (new, asyncio.current_task())} \
        if sys.version_info >= (3, 8) else {}
    assert ended.done()
    _load.say(ready=True, pid=os.getpid(), told=told)
    time.sleep(options.seconds)  # the loop stands still, with one task that has not begun


asyncio.run(main())
