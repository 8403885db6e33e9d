#!/usr/bin/env python3
"""A small image service whose threads fight over the GIL.

Four kinds of thread, each with a common habit:
  resize-1, resize-2  scale pictures in pure Python: they hold the GIL until it is taken from them (5 ms at a time)
  api                 answers tiny requests on a socket: microseconds of work, but after every recv() it must queue
                      for the GIL behind whoever computes (the convoy effect)
  metrics             now and then serialises a large table with one C call that cannot be made to let go

Usage: contended.py [SECONDS]    (default: until killed)
"""
import json
import os
import signal
import socket
import sys
import threading
import time


def make_image(width, height):
    return [[(x * 7 + y * 13) % 256 for x in range(width)] for y in range(height)]


def blend(a, b, weight):
    return int(a * (1 - weight) + b * weight)


def resize_image(image, width, height):
    source_height, source_width = len(image), len(image[0])
    resized = []
    for y in range(height):
        row = image[y * source_height // height]
        line = []
        for x in range(width):
            position = x * (source_width - 1) / width
            left = int(position)
            line.append(blend(row[left], row[left + 1], position - left))
        resized.append(line)
    return resized


def resize_worker(stop):
    image = make_image(320, 240)
    while not stop.is_set():
        resize_image(image, 200, 150)


def handle_request(request):
    user, _, item = request.decode().partition(":")
    return f"ok {user.strip()} {item.strip()}\n".encode()


def serve(connection, stop):
    while not stop.is_set():
        request = connection.recv(256)
        if not request:
            return
        connection.sendall(handle_request(request))


def flush_metrics(table):
    return len(json.dumps(table))


def report_metrics(stop):
    table = [{"id": i, "path": f"/img/{i}.png", "ms": [i * 0.1, i * 0.2, i * 0.3]} for i in range(8000)]
    while not stop.wait(0.25):
        flush_metrics(table)


def start_client(server_end, client_end):
    """Another process that sends requests as fast as it gets answers; it ends when the service does."""
    if os.fork():
        return
    server_end.close()
    try:
        while True:
            client_end.sendall(b"alice: thumbnail\n")
            if not client_end.recv(256):
                break
            time.sleep(0.001)
    except OSError:
        pass
    finally:
        os._exit(0)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server_end, client_end = socket.socketpair()
    start_client(server_end, client_end)
    client_end.close()

    stop = threading.Event()
    threads = [
        threading.Thread(target=resize_worker, args=(stop,), name="resize-1"),
        threading.Thread(target=resize_worker, args=(stop,), name="resize-2"),
        threading.Thread(target=serve, args=(server_end, stop), name="api"),
        threading.Thread(target=report_metrics, args=(stop,), name="metrics"),
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    print(f"contended.py: pid {os.getpid()}, {len(threads)} threads", flush=True)
    stop.wait(seconds)
    stop.set()


if __name__ == "__main__":
    main()
