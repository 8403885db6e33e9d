# Unit tests: NAME of tests/unit/NAME.c, and exactly the product files each links.  (cmocka is linked to all.)
# Programs that golden, live or bench tests call go into TEST_TOOLS with their path; extra libraries into NAME_LIBS.

UNIT_TESTS += test_escape
test_escape_SRCS := core/util/escape.c core/util/strbuf.c core/util/xalloc.c

UNIT_TESTS += test_fail
test_fail_SRCS := core/util/fail.c

UNIT_TESTS += test_number
test_number_SRCS := core/util/file.c core/util/number.c

UNIT_TESTS += test_human
test_human_SRCS := core/util/duration.c core/util/human.c

UNIT_TESTS += test_memory
test_memory_SRCS := core/util/arena.c core/util/strbuf.c core/util/vec.c core/util/xalloc.c

UNIT_TESTS += test_detail
test_detail_SRCS := collectors/bpf/detail.c
