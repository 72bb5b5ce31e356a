"""The constants that were tuned by measurement, each with the benchmark row that decides it.

A row is named by its family in `benchmarks/families`, its length T and its step, as in
`docs/benchmarks.md`. Modules read the constants at call time, so that a test can change them.
"""

# Dot products

# From this many weights a head on, 512 queries times 512 keys, attention without the table of
# weights is no slower than with it. Family `multi_head`, row T = 512, forward, TensorFlow plain.
DOT_MIN_WEIGHTS_PER_HEAD = 2**18

# Scores of one block: 8 MB of float32, the largest score block that fits in a core's cache. Family
# `multi_head`, rows T = 2048 and 8192, forward, TensorFlow plain and XLA.
DOT_MAX_SCORES_PER_BLOCK = 2**21

# Queries of one block: with more, fewer blocks can skip keys under a causal mask; with fewer, the
# matrix products are too small to run at full speed. Family `multi_head`, row T = 2048, forward and
# training.
DOT_MAX_ROWS_PER_BLOCK = 512

# Queries of one block under a window or a causal mask: at least this many, although a smaller block
# would compute fewer masked scores. Family `multi_head`, row T = 2048, forward, with a window of 64
# and with a causal mask.
DOT_MIN_MASKED_ROWS_PER_BLOCK = 128

# With this many queries in a block the scores exceed `DOT_MAX_SCORES_PER_BLOCK` only from 65,536
# keys on: smaller products would take longer than scores beyond the cache do.
DOT_MIN_ROWS_PER_BLOCK = 32

# Under a causal mask the blocks form this many groups; each group attends to the keys up to its
# last query. Each group is a loop of its own: more of them skip more keys and compile longer.
# Family `multi_head`, row T = 2048, forward, with a causal mask.
DOT_CAUSAL_GROUPS = 8

# Fewer groups if the lengths are unknown, where every group stays in the graph, however short the
# sequences turn out to be. Family `multi_head`, row T = 256, forward, TensorFlow served.
DOT_CAUSAL_GROUPS_UNKNOWN_LENGTH = 4

# If the lengths are unknown, a wider window gets no bands: among few keys they would be wasted
# work. Family `multi_head`, row T = 256, forward, TensorFlow served, with a window.
DOT_MAX_WINDOW_UNKNOWN_LENGTH = 1024

# Local attention

# Queries of one band at least, if scores are matrix products: in a product of fewer rows, moving
# the keys dominates the time. Family `local`, row T = 4096, forward.
LOCAL_MIN_ROWS_PER_BAND = 32

# Queries of one band at least, if each pair costs a hidden layer (the additive score): scores at a
# band's corners, outside of every window, are then expensive. Family `local`, row T = 4096,
# forward, with the score "concat".
LOCAL_MIN_ROWS_PER_BAND_ADDITIVE = 8
