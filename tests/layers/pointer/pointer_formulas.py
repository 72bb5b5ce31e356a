"""Pointer decoders for the tests: how to make one, and the formulas for its weights."""

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
REAL = np.arange(ELEMENTS) < np.array([[5], [3], [4]])


def numpy(nest):
    return keras.tree.map_structure(lambda x: None if x is None else ops.convert_to_numpy(x), nest)


def built(end_slot=False, elements=ELEMENTS, seed=1, **options):
    """A decoder whose weights are seeded numbers, large enough for clear preferences."""
    decoder = PointerDecoder(UNITS, end_slot=end_slot, **options)
    decoder(np.zeros((BATCH, 2), "int32"), MEMORY[:, :elements], POINTS[:, :elements])
    rng = np.random.default_rng(seed)
    decoder.set_weights([1.5 * rng.normal(size=w.shape) for w in decoder.get_weights()])
    return decoder


def formula(decoder, row, points=POINTS, memory=MEMORY, real=REAL):
    """The paper's decoder with the layer's weights, for one row of the batch."""

    def number(weight):
        return numpy(weight).astype("float64")

    cell = decoder.cell
    weights = [number(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
    score = decoder.score
    return Pointer(
        cell=lambda x, state: reference_recurrent.lstm(x, state, *weights),
        w2=number(score.query_kernel),
        w1=number(score.key_kernel),
        v=number(score.scale),
        begin=np.zeros(WIDTH) if decoder.begin is None else number(decoder.begin),
        end=None if decoder.end is None else number(decoder.end),
        memory=memory[row].astype("float64"),
        points=points[row].astype("float64"),
        real=real[row],
    )


def state_of(row):
    return [state[row].astype("float64") for state in STATE]


def decode(decoder, **options):
    """Everything that was decoded, as numpy arrays."""
    options = {"memory": MEMORY, "points": POINTS, "memory_mask": REAL, **options}
    return numpy(decoder.decode(initial_state=STATE, **options))
