"""GILSCOPE_FAULT=full runs the long form (make check-fault), else a few rounds of each."""
import os
import random

import pytest

FULL = os.environ.get("GILSCOPE_FAULT") == "full"


@pytest.fixture
def rng():
    """Moments differ each time; the seed is printed with a failure and GILSCOPE_SEED repeats it."""
    seed = int(os.environ.get("GILSCOPE_SEED") or random.randrange(1 << 30))
    print("GILSCOPE_SEED=%d" % seed)
    return random.Random(seed)
