"""A recurrent decoder that projects all keys at every step, as many implementations do."""

import keras
from keras import ops


def attend_additive(state, memory, query_kernel, key_kernel, scale):
    """Return the context of one decoder state. Every call projects the keys of the memory again."""
    query, keys = ops.matmul(state, query_kernel), ops.matmul(memory, key_kernel)
    hidden = ops.tanh(ops.expand_dims(query, 1) + keys)
    weights = ops.softmax(ops.cast(ops.sum(hidden * scale, axis=-1), "float32"))
    return ops.sum(ops.expand_dims(ops.cast(weights, memory.dtype), -1) * memory, axis=1)


class NaiveCell(keras.layers.Layer):
    """A GRU that attends to the memory at every step: Bahdanau's decoder as a cell for `RNN`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units
        self.gru = keras.layers.GRUCell(units, dtype=self.dtype_policy)

    def build(self, input_shape):
        width = self.memory.shape[-1]
        self.gru.build((input_shape[0], input_shape[-1] + width))
        self.query_kernel = self.add_weight(name="query_kernel", shape=(self.units, self.units))
        self.key_kernel = self.add_weight(name="key_kernel", shape=(width, self.units))
        self.scale = self.add_weight(name="scale", shape=(self.units,))

    def call(self, inputs, states):
        kernels = self.query_kernel, self.key_kernel, self.scale
        context = attend_additive(states[0], self.memory, *kernels)
        return self.gru(ops.concatenate([inputs, context], axis=-1), states)


class NaiveDecoder(keras.layers.Layer):
    """An RNN of a `NaiveCell`. Its weights are those of the attention, then those of the GRU."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.cell = NaiveCell(units, dtype=self.dtype_policy)
        self.run = keras.layers.RNN(self.cell, return_sequences=True, dtype=self.dtype_policy)

    def call(self, target, memory):
        # Set an attribute, because `keras.layers.RNN` has no argument for a constant of its cell.
        self.cell.memory = memory
        return self.run(target)
