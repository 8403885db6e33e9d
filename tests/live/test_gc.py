"""The garbage collector's flag: holds and samples while it runs are marked, those of a program that does not collect are not."""
import recording

MARKED_HOLDS = "SELECT count(*) FROM hold WHERE flags & (SELECT bit FROM flag WHERE of = 'hold' AND name = 'gc')"
MARKED_SAMPLES = "SELECT count(*) FROM sample WHERE flags & (SELECT bit FROM flag WHERE of = 'sample' AND name = 'gc')"


def test_collections_are_marked(python, can_record, recorded):
    report, path = recorded("gc_heavy", python, 2)
    rec = recording.Recording(path)
    assert rec.one(MARKED_HOLDS) > 0
    assert rec.one(MARKED_SAMPLES) > 5  # some 99 a second of CPU time, which a busy machine gives less of
    collector = next(t for t in report["processes"][0]["threads"] if t["name"] == "collector")
    assert collector["gil_held_ns"] > 0.3 * report["recording"]["duration_ns"], collector


def test_nothing_is_marked_where_nothing_is_collected(any_python, can_record, recorded):
    _, path = recorded("cpu4", any_python, 1)
    assert recording.Recording(path).one(MARKED_SAMPLES) == 0
