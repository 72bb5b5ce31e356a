"""The constants that were tuned by measurement, each with the benchmark row that decides it.

A row is named by its family in `benchmarks/families`, its length T and its step, as in
`docs/benchmarks.md`. Modules read the constants at call time, so that a test can change them.
"""

# Additive scores and attention: family `additive` (batch 8, 256 units), unless another is named.

# Query-key pairs per block of `additive_attention`: few enough to stay in cache, enough to
# amortize a loop iteration. Rows T = 512 to 2048, forward and training, TensorFlow plain and XLA.
ADDITIVE_PAIRS_PER_BLOCK = 2**19

# With fewer units the plain formula is faster than any kernel. Row T = 128, forward, with the units
# lowered to 16 and 8.
ADDITIVE_MIN_UNITS = 16

# Up to this many queries the plain formula is faster outside of loops. Family `decoder`, every row:
# one query a step.
ADDITIVE_MAX_PLAIN_QUERIES = 2

# With fewer elements of `(batch, Tq, Tk, units)` the plain formula is as fast under XLA. Row
# T = 128, forward, TensorFlow XLA and JAX, with batch and length lowered.
ADDITIVE_MIN_ELEMENTS_COMPILED = 2**18

# Without a compiler the kernel has more operations to start: it needs more elements, and more pairs
# in each sequence. Row T = 128, forward, TensorFlow plain and PyTorch.
ADDITIVE_MIN_ELEMENTS_UNCOMPILED = 2**22
ADDITIVE_MIN_PAIRS_UNCOMPILED = 2**13

# Terms of a sum that are unrolled in one iteration of an XLA loop. The number is even, because two
# terms share a division. With fewer, XLA rereads the partial sum more often; with more, compilation
# takes longer, and the loop is no faster. Row T = 256, forward and training, TensorFlow XLA.
ADDITIVE_TERMS_PER_ITERATION = 16

# Units that share one division without a compiler: with 4, a matrix product still has few terms
# (2^4), and only a quarter of the passes over the pairs is left. Row T = 256, forward and training,
# TensorFlow plain.
ADDITIVE_UNITS_PER_GROUP = 4

# Dot products

# From this many weights a head on, 512 queries times 512 keys, attention that does not store all
# weights is no slower than attention that does. If the lengths are unknown, a graph compares them
# with this number at run time. Family `multi_head`, row T = 512, forward,
# TensorFlow plain.
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

# At least this many blocks under a causal mask, if each has `DOT_MIN_MASKED_ROWS_PER_BLOCK` queries
# or more: a single block could not skip any keys. Family `multi_head`, row T = 512, forward, with a
# causal mask.
DOT_MIN_CAUSAL_BLOCKS = 4

# A block has at least this many queries, even if its scores exceed `DOT_MAX_SCORES_PER_BLOCK`, as
# they do from 65,536 keys on: smaller products take longer than scores outside of the cache do.
DOT_MIN_ROWS_PER_BLOCK = 32

# Under a causal mask the blocks form this many groups; each group attends to the keys up to its
# last query. Each group is a separate loop: more groups skip more keys but compile longer.
# Family `multi_head`, row T = 2048, forward, with a causal mask.
DOT_CAUSAL_GROUPS = 8

# Fewer groups if the lengths are unknown until XLA compiles, where every group stays in the graph,
# however short the sequences turn out to be. Family `multi_head`, row T = 256, forward, TensorFlow
# XLA. (A graph of unknown lengths that XLA does not compile has no groups: each block of its loop
# attends to as many keys as it needs.)
DOT_CAUSAL_GROUPS_UNKNOWN_LENGTH = 4

# If the lengths are unknown, a wider window gets no bands: among few keys they would be wasted
# work. Family `multi_head`, row T = 256, forward, TensorFlow served, with a window.
DOT_MAX_WINDOW_UNKNOWN_LENGTH = 1024

# The length for which JAX chooses the rows per block if a size is symbolic: a block of these rows
# fits in the cache up to this length. Family `multi_head`, rows T = 2048 and 8192, forward, JAX.
DOT_ASSUMED_LENGTH = 4096

# Iterations of a TensorFlow loop that may run at the same time. Each one holds a block of scores:
# more of them need more memory; one alone leaves a core idle. Family `multi_head`, row
# T = 8192, forward, TensorFlow plain, time and memory.
DOT_PARALLEL_ITERATIONS = 2

# Local attention

# A band has at least this many queries if scores are matrix products: in a product of fewer rows,
# moving the keys dominates the time. Family `local`, row T = 4096, forward.
LOCAL_MIN_ROWS_PER_BAND = 32

# A band has at least this many queries if each pair costs a hidden layer (the additive score):
# scores at a band's corners, outside of every window, are then expensive. Family `local`, row
# T = 4096, forward, with the score "concat".
LOCAL_MIN_ROWS_PER_BAND_ADDITIVE = 8
