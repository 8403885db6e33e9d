# Unit tests: NAME of tests/unit/NAME.c, and exactly the product files each links.  (cmocka is linked to all.)
# Programs that golden, live or bench tests call go into TEST_TOOLS with their path; extra libraries into NAME_LIBS.

UNIT_TESTS += test_escape
test_escape_SRCS := core/util/escape.c core/util/strbuf.c core/util/xalloc.c
