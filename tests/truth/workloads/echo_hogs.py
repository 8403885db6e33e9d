"""An echo server (one thread per connection), --clients (4) clients in a child process and --hogs (3) CPU threads:
the convoy.  Counts round trips and prints their latency as the clients see it."""
import json
import os
import socket
import sys
import threading
import time

import _load


def client(port, seconds, latencies):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        t0 = time.monotonic()
        s.sendall(b"ping")
        if not s.recv(16):
            return
        latencies.append(time.monotonic() - t0)


def clients(port, count, seconds, report):
    """The child: no hogs here, so what it measures is the server's delay."""
    latencies = []
    threads = [threading.Thread(target=client, args=(port, seconds, latencies)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    latencies.sort()
    n = len(latencies)
    p = {q: latencies[min(n - 1, int(n * q / 100))] if n else None for q in (50, 99)}
    os.write(report, json.dumps({"round_trips": n, "p50_ms": p[50] and p[50] * 1e3, "p99_ms": p[99] and p[99] * 1e3}).encode())


def serve(work, counter, connection):
    while not work.stop:
        data = connection.recv(16)
        if not data:
            return
        connection.sendall(data)
        counter[0] += 1


def main():
    options = _load.parse("echo_hogs", hogs=(int, 3), clients=(int, 4))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(r)
        clients(listener.getsockname()[1], options.clients, max(0.5, options.seconds - 0.3), w)
        os._exit(0)
    os.close(w)
    work = _load.Work("echo_hogs", options)
    for i in range(options.clients):
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        work.thread("conn-%d" % i, serve, connection)
    for i in range(options.hogs):
        work.thread("hog-%d" % i, _load.burn)

    def on_end():
        os.waitpid(child, 0)
        text = os.read(r, 4096)
        sys.stdout.write(json.dumps({"clients": json.loads(text.decode() or "null")}) + "\n")

    work.run(on_end)


main()
