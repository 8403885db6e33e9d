# The truth tracer (truth.c) with its own BPF program; part of TEST_TOOLS, so `make bench` and `make check-live` build it.
TEST_TOOLS += tests/truth/truth
$(B)/tests/truth/truth.o: | $(B)/tests/truth/truth.skel.h
truth_SRCS := tests/truth/sites.c
