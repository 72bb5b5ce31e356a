"""A recurrent decoder that projects all keys anew at every step, as many are written."""

import keras
from keras import ops


def bahdanau(state, memory, query_kernel, key_kernel, scale):
    """What one decoder state reads from the memory; its keys are projected here."""
    asked, keys = ops.matmul(state, query_kernel), ops.matmul(memory, key_kernel)
    hidden = ops.tanh(ops.expand_dims(asked, 1) + keys)
    weights = ops.softmax(ops.cast(ops.sum(hidden * scale, axis=-1), "float32"))
    return ops.sum(ops.expand_dims(ops.cast(weights, memory.dtype), -1) * memory, axis=1)


class NaiveCell(keras.layers.Layer):
    """A GRU that reads the memory at every step: Bahdanau's decoder as a cell for `RNN`."""

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
        attended = bahdanau(states[0], self.memory, *kernels)
        return self.gru(ops.concatenate([inputs, attended], axis=-1), states)


class NaiveDecoder(keras.layers.Layer):
    """`NaiveCell` over a target: weights of the attention, then of the GRU."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.cell = NaiveCell(units, dtype=self.dtype_policy)
        self.run = keras.layers.RNN(self.cell, return_sequences=True, dtype=self.dtype_policy)

    def call(self, target, memory):
        self.cell.memory = memory  # a recurrent layer of Keras 3 hands its cell no constants
        return self.run(target)
