"""Three threads that compute."""
import told

told.serve(__file__, [("cpu-%d" % i, told.compute) for i in range(3)])
