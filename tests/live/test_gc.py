"""The garbage collector's flag: nothing is marked of a program that does not collect (tests/matrix has one that does)."""
import recording


def test_nothing_is_marked_where_nothing_is_collected(any_python, can_record, recorded):
    _, path = recorded("cpu4", any_python, 1)
    assert recording.Recording(path).one("SELECT count(*) FROM sample WHERE flags & (SELECT bit FROM flag WHERE of = 'sample' AND name = 'gc')") == 0
