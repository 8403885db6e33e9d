
FUZZERS += fuzz_walk
fuzz_walk_SRCS :=
