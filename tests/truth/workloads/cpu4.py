"""--threads (4) CPU threads: forced hand-offs every switch interval."""
import _load

options = _load.parse("cpu4", threads=(int, 4))
work = _load.Work("cpu4", options)
for i in range(options.threads):
    work.thread("cpu-%d" % i, _load.burn)
work.run()
