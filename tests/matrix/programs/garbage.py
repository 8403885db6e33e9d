"""A thread that does little but collect garbage, another one that wants to compute."""
import gc

import told


KEPT = [[i] for i in range(200000)]


def collector():
    rows = told.begin()
    while True:
        began, used = told.now(), told.cpu()
        gc.collect()  # COLLECT
        rows.append(("collect", began, told.now(), told.cpu() - used))


told.serve(__file__, [("collector", collector), ("victim", told.compute)])
