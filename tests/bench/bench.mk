# What a switch program costs at least, measured by `tests/bench/run --only costs`; part of TEST_TOOLS.
TEST_TOOLS += tests/bench/switch_floor
$(B)/tests/bench/switch_floor.o: | $(B)/tests/bench/switch_floor.skel.h
