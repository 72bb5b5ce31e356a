"""The cache of a Transformer decoder block, and checks of memory and cache."""

import collections

from keras_attention.kernels.prepared_memory import PreparedMemory

DecoderBlockCache = collections.namedtuple("DecoderBlockCache", ["written", "memory"])
DecoderBlockCache.__doc__ = """The cache of a `TransformerDecoderBlock` in step-by-step decoding.

    written: a `KeyValueCache` of the target so far; memory: the projected keys and values of the
    source and its mask, constant over the steps. The first axis of every tensor is the batch.
"""


def check_memory_or_cache(memory, memory_mask, cache):
    """Raise a ValueError unless a call has either a memory, or a cache and no memory mask."""
    if (memory is None) == (cache is None):
        raise ValueError(
            "Expected either `memory` or `cache`, which contains the memory. "
            f"Received: memory={memory!r}, cache={cache!r}"
        )
    if cache is not None and memory_mask is not None:
        raise ValueError(
            "Expected no `memory_mask` with `cache`, which contains the mask: pass it to "
            f"`get_initial_cache`. Received: memory_mask={memory_mask!r}"
        )


def check_memory(shape, batch=None):
    """Raise a ValueError if the memory is not a sequence or does not fit the batch (None = any)."""
    shape = tuple(shape)
    has_other_batch = None not in (shape[0], batch) and shape[0] not in (1, batch)
    if len(shape) != 3 or shape[-1] is None or has_other_batch:
        raise ValueError(
            "Expected `memory` (batch, Tsource, width) with a known width, and with the batch size "
            f"of `inputs` or 1. Received: memory {shape}, batch={batch}"
        )


def split_cache(cache, batch):
    """Return `written` and `memory` of a `DecoderBlockCache`, or of the lists that saving makes."""
    nests = (list, tuple)
    is_pair = isinstance(cache, nests) and len(cache) == 2
    if not is_pair or not isinstance(cache[1], nests) or len(cache[1]) != 3:
        raise ValueError(
            "Expected `cache` to be a DecoderBlockCache (written, memory). "
            f"Received: a {type(cache).__name__}"
        )
    written, memory = cache
    ranks = [len(x.shape) for x in memory]
    if ranks != [4, 4, 3] or any(
        None not in (n := x.shape[0], batch) and n != batch for x in memory
    ):
        raise ValueError(
            f"Expected the memory of a `cache` that this block created, of batch {batch}. "
            f"Received: tensors of shapes {[tuple(x.shape) for x in memory]}"
        )
    return written, PreparedMemory(*memory)
