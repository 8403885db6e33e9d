"""An event loop, in which one coroutine now and then keeps the GIL for 10 ms and another one ticks; its executor's threads compute."""
import asyncio
import threading

import told


async def stall():
    rows = told.begin()
    while True:
        told.hold(rows, 10000)  # STALL
        await asyncio.sleep(0.02)


async def tick():
    while True:
        await asyncio.sleep(0.002)


def run():
    loop = asyncio.new_event_loop()
    loop.create_task(stall())
    loop.create_task(tick())
    for _ in range(2):
        loop.run_in_executor(None, told.nap)
    loop.run_forever()


told.serve(__file__, [("loop", run)])
