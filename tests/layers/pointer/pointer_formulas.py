"""Pointer decoders for the tests, and the paper's formulas with their weights."""

import keras
import numpy as np
from keras import ops

from keras_attention import PointerDecoder
from tests import reference_recurrent
from tests.reference_pointer import Pointer

BATCH, ELEMENTS, WIDTH, MEMORY_WIDTH, UNITS = 3, 5, 2, 7, 3
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(BATCH, ELEMENTS, WIDTH)).astype("float32")
MEMORY = RNG.normal(size=(BATCH, ELEMENTS, MEMORY_WIDTH)).astype("float32")
STATE = [RNG.normal(size=(BATCH, UNITS)).astype("float32") for _ in range(2)]
MEMORY_MASK = np.arange(ELEMENTS) < np.array([[5], [3], [4]])


def numpy(nest):
    return keras.tree.map_structure(lambda x: None if x is None else ops.convert_to_numpy(x), nest)


def build_decoder(end_slot=False, elements=ELEMENTS, seed=1, **options):
    """Build a decoder with seeded weights, large enough for clearly different probabilities."""
    decoder = PointerDecoder(UNITS, end_slot=end_slot, **options)
    decoder(np.zeros((BATCH, 2), "int32"), MEMORY[:, :elements], POINTS[:, :elements])
    rng = np.random.default_rng(seed)
    decoder.set_weights([1.5 * rng.normal(size=w.shape) for w in decoder.get_weights()])
    return decoder


def formula(decoder, row, points=POINTS, memory=MEMORY, memory_mask=MEMORY_MASK):
    """Return the paper's decoder with the layer's weights for one row of the batch."""

    def as_float64(weight):
        return numpy(weight).astype("float64")

    cell = decoder.cell
    weights = [as_float64(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
    score = decoder.score
    return Pointer(
        cell=lambda x, state: reference_recurrent.lstm(x, state, *weights),
        w2=as_float64(score.query_kernel),
        w1=as_float64(score.key_kernel),
        v=as_float64(score.scale),
        begin=np.zeros(WIDTH) if decoder.begin is None else as_float64(decoder.begin),
        end=None if decoder.end is None else as_float64(decoder.end),
        memory=memory[row].astype("float64"),
        points=points[row].astype("float64"),
        mask=memory_mask[row],
    )


def select_initial_state(row):
    return [state[row].astype("float64") for state in STATE]


def decode(decoder, **options):
    """Decode and return all fields as numpy arrays."""
    options = {"memory": MEMORY, "points": POINTS, "memory_mask": MEMORY_MASK, **options}
    return numpy(decoder.decode(initial_state=STATE, **options))
