"""Decoders and their expected outputs for the tests."""

import keras
import numpy as np
from keras import ops

from keras_attention import AdditiveAttention, AttentionDecoder, LuongAttention
from tests import reference, reference_recurrent

BATCH, STEPS, LENGTH, WIDTH, MEMORY_WIDTH, UNITS = 2, 5, 7, 3, 5, 2
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, STEPS, WIDTH)).astype("float32")
MEMORY = RNG.normal(size=(BATCH, LENGTH, MEMORY_WIDTH)).astype("float32")
MEMORY_MASK = np.arange(LENGTH) < np.array([[7], [3]])

CELLS = {
    "gru": lambda **o: keras.layers.GRUCell(UNITS, **o),
    "lstm": lambda **o: keras.layers.LSTMCell(UNITS, **o),
    "stack": lambda **o: keras.layers.StackedRNNCells(
        [keras.layers.LSTMCell(3, **o), keras.layers.GRUCell(UNITS, **o)]
    ),
}
MODES = {
    "before": (AdditiveAttention, {"attend": "before"}),
    "after": (LuongAttention, {"attend": "after"}),
    "feeding": (LuongAttention, {"attend": "after", "input_feeding": True}),
}


def numpy(nest):
    return keras.tree.map_structure(ops.convert_to_numpy, nest)


def build(cell, mode, output_mode=None, attention_dropout=0.0, **cell_options):
    """Return a decoder whose weights are seeded random numbers."""
    attention, options = MODES[mode]
    decoder = AttentionDecoder(
        CELLS[cell](**cell_options),
        attention(units=2, dropout=attention_dropout),
        output_mode=output_mode,
        **options,
    )
    decoder(INPUTS, MEMORY)
    rng = np.random.default_rng(1)
    decoder.set_weights([rng.normal(size=w.shape) for w in decoder.get_weights()])
    return decoder


def make_states(cell):
    """Return random initial states in the cell's order."""
    rng = np.random.default_rng(2)
    widths = {"gru": [UNITS], "lstm": [UNITS, UNITS], "stack": [3, 3, UNITS]}[cell]
    return [rng.normal(size=(BATCH, width)).astype("float32") for width in widths]


def make_cell_formula(cell):
    """Return the reference step function with the weights of a Keras cell."""
    if isinstance(cell, keras.layers.StackedRNNCells):
        return reference_recurrent.stack(*map(make_cell_formula, cell.cells))
    step = {"GRUCell": reference_recurrent.gru, "LSTMCell": reference_recurrent.lstm}
    weights = [numpy(w).astype("float64") for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
    return lambda inputs, state: step[type(cell).__name__](inputs, state, *weights)


def make_attend_formula(attention, memory, mask):
    """Return a function that maps one query to the attention output and the weights."""
    score = {"AdditiveAttention": reference.additive, "LuongAttention": reference.general}
    weights = [numpy(w).astype("float64") for w in attention.score.weights]

    def attend(query):
        scores = score[type(attention).__name__]([query], memory, *weights)
        (context,), (row,) = reference.attention(scores, memory, [mask])
        if isinstance(attention, LuongAttention):
            kernel = numpy(attention.output_kernel)
            context = reference_recurrent.attentional_vector(context, query, kernel)
        return context, row

    return attend


def compute_expected(decoder, cell, inputs, inputs_mask, memory, memory_mask, state):
    """Return cell outputs, attention outputs, alignments and the last state of one sequence.

    The last state is a flat vector.
    """
    run, attend = (
        make_cell_formula(decoder.cell),
        make_attend_formula(decoder.attention, memory, memory_mask),
    )
    state = [state[:2], state[2:]] if cell == "stack" else state
    if decoder.attend == "before":
        top = (lambda state: state[-1][0]) if cell == "stack" else (lambda state: state[0])
        *steps, state = reference_recurrent.decode_before(
            inputs, inputs_mask, state, run, attend, top
        )
    else:
        attentional = np.zeros(2) if decoder.input_feeding else None
        *steps, state = reference_recurrent.decode_after(
            inputs, inputs_mask, state, run, attend, attentional
        )
    return *steps, np.concatenate(keras.tree.flatten(state))
