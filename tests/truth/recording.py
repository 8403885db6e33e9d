"""A recording read with nothing but sqlite3, as FORMAT.md describes it: for the tests, independent of gilscope's reader."""
import sqlite3

# with a GIL on a CPU, or held meanwhile
HELD_STATES = ("SELECT t0_ns, dur_ns FROM interval WHERE %s (state = 0 OR flags & 1)"
               " UNION ALL SELECT t0_ns, ns FROM tally WHERE %s (state = 0 OR flags & 1)")
STATES = ("gil", "nogil", "wait_gil", "wait_lock", "blocked", "sleep", "runnable", "unknown")


class Wait:
    __slots__ = ("tid", "pid", "t0", "t1", "ended", "flags", "sleeps", "asleep", "lock")

    def __init__(self, tid, pid, t0, dur, ended, flags, sleeps, asleep, lock):
        self.tid, self.pid, self.t0, self.t1 = tid, pid, t0, t0 + dur
        self.ended, self.flags, self.sleeps, self.asleep, self.lock = ended, flags, sleeps, asleep, lock


class Recording:
    def __init__(self, path):
        self.db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        self.db.text_factory = lambda b: b.decode("utf-8", "surrogateescape")
        self.meta = dict(self.db.execute("SELECT key, value FROM meta"))
        self.start_ns = int(self.meta["start_mono_ns"])
        end = self.meta.get("end_ns")
        if end is None:
            end = self.one("SELECT max(t0_ns + dur_ns) FROM interval") or 0
        self.end_ns = int(end)
        if self.end_ns < self.start_ns:  # given since the start
            self.end_ns += self.start_ns
        self.armed_ns = self.start_ns + (self.one("SELECT min(t_ns) FROM level") or 0)  # the kernel's events begin here

    def one(self, sql, *args):
        row = self.db.execute(sql, args).fetchone()
        return row[0] if row else None

    def gil_waits(self):
        rows = self.db.execute(
            "SELECT t.tid, p.pid, w.t0_ns, w.dur_ns, e.name, w.flags, w.sleeps, w.asleep_ns, w.lock FROM wait w"
            " JOIN thread t ON t.id = w.thread JOIN process p ON p.id = t.process"
            " JOIN lock l ON l.id = w.lock JOIN wait_end e ON e.id = w.ended WHERE l.kind = 0 ORDER BY w.id")
        return [Wait(r[0], r[1], r[2] + self.start_ns, *r[3:]) for r in rows]

    def tallied_gil_waits(self):
        return self.one("SELECT coalesce(sum(n), 0) FROM tally WHERE state = 2")

    def tallied_gil_ns(self):
        """{tid: ns} of waits that were only counted (the part of them that lies anywhere in the recording)."""
        return dict(self.db.execute("SELECT t.tid, sum(ns) FROM tally y JOIN thread t ON t.id = y.thread WHERE state = 2 GROUP BY 1"))

    def share_of(self, t0, t1, sql, *args):
        """Of the time between two moments, which rows (t0_ns, ns) cover; more than 1 where they overlap."""
        rows = self.db.execute(sql, args)
        return sum(max(0, min(t1, self.start_ns + begin + ns) - max(t0, self.start_ns + begin)) for begin, ns in rows) / (t1 - t0)

    def gil_shares(self, t0, t1):
        """({tid: share of the time between two moments in which it waited for a GIL}, share in which one was held)."""
        waits = {tid: self.share_of(t0, t1, "SELECT t0_ns, dur_ns FROM interval WHERE thread = ?1 AND state = 2"
                                    " UNION ALL SELECT t0_ns, ns FROM tally WHERE thread = ?1 AND state = 2", thread)
                 for thread, tid in self.db.execute("SELECT id, tid FROM thread").fetchall()}
        return waits, self.share_of(t0, t1, "SELECT t0_ns, dur_ns FROM hold")

    def held_by_states(self, t0, t1):
        """The latter by what each thread did: with the GIL on a CPU, or held meanwhile."""
        return self.share_of(t0, t1, HELD_STATES % ("", ""))

    def held_shares(self, t0, t1):
        """{tid: shares of the time between two moments in which it held a GIL: by holds, by what it did, by samples of it}."""
        rate = self.sample_rate()
        return {tid: {"holds": self.share_of(t0, t1, "SELECT t0_ns, dur_ns FROM hold WHERE thread = ?1", thread),
                      "states": self.share_of(t0, t1, HELD_STATES % ("thread = ?1 AND", "thread = ?1 AND"), thread),
                      "samples": self.one("SELECT count(*) FROM sample WHERE thread = ?1 AND state = 0 AND t_ns BETWEEN ?2 AND ?3",
                                          thread, t0 - self.start_ns, t1 - self.start_ns) / rate / (t1 - t0) * 1e9 if rate else None}
                for thread, tid in self.db.execute("SELECT id, tid FROM thread").fetchall()}

    def sample_rate(self):
        """Samples a second of CPU time, 0 if there are none."""
        return float(self.meta.get("sample_hz", 0))

    def stacks(self):
        """{stack: [(function, file, line)]}, outermost first."""
        frames = {row[0]: row[1:] for row in self.db.execute(
            "SELECT f.id, fn.text, fi.text, f.line FROM frame f JOIN string fn ON fn.id = f.function JOIN string fi ON fi.id = f.file")}
        nodes = {row[0]: row[1:] for row in self.db.execute("SELECT id, parent, frame FROM node")}
        result = {}
        for stack, node in self.db.execute("SELECT id, node FROM stack WHERE node IS NOT NULL"):
            up = []
            while node:
                node, frame = nodes[node]
                up.append(frames.get(frame, ("?", "?", None)))
            result[stack] = up[::-1]
        return result

    def lost_events(self):
        return self.one("SELECT coalesce(sum(count), 0) FROM loss")

    def integrity(self):
        return self.one("PRAGMA integrity_check")

    def threads(self):
        """[{id, tid, pid, name, comm, life, states: {name: ns}}] of all threads."""
        result = []
        rows = self.db.execute(
            "SELECT t.id, t.tid, p.pid, t.comm, t.python_name, t.first_ns, t.last_ns, t.exited FROM thread t"
            " LEFT JOIN process p ON p.id = t.process").fetchall()
        sums = {}
        for thread, state, ns in self.db.execute(
                "SELECT thread, state, sum(ns) FROM (SELECT thread, state, sum(dur_ns) AS ns FROM interval GROUP BY 1, 2"
                " UNION ALL SELECT thread, state, sum(ns) FROM tally GROUP BY 1, 2) GROUP BY 1, 2"):
            sums.setdefault(thread, {})[STATES[state]] = ns
        for number, tid, pid, comm, name, first, last, exited in rows:
            result.append({"id": number, "tid": tid, "pid": pid, "comm": comm, "python_name": name, "life": last - first,
                           "exited": exited, "states": sums.get(number, {})})
        return result

    def blame_lines(self):
        """{(waiter function, waiter line, holder function, holder line): ns}"""
        rows = self.db.execute(
            "SELECT wl.function, wl.line, hl.function, hl.line, sum(c.ns) FROM credit c JOIN wait w ON w.id = c.wait"
            " LEFT JOIN v_line wl ON wl.stack = w.stack LEFT JOIN v_line hl ON hl.stack = c.stack GROUP BY 1, 2, 3, 4")
        return {tuple(r[:4]): r[4] for r in rows}
