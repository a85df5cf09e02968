"""What a user runs: command line, quantization, training, compiler, area, reports."""

import os

# Read when numpy is first imported. The products here are small: a second BLAS thread gains nothing
# on an idle machine, and spins on a busy one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
