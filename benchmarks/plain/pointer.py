"""The decoder of a pointer network, by Keras's LSTM and the formula of the paper."""

import keras
from keras import ops

from benchmarks.plain.additive import compute_scores


class PlainPointer(keras.layers.Layer):
    """An LSTM, followed by the additive scores of all pairs of outputs and elements."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.lstm = keras.layers.LSTM(units, return_sequences=True, dtype=self.dtype_policy)

    def build(self, target_shape, memory_shape):
        self.lstm.build(target_shape)
        self.query_kernel = self.add_weight(name="query_kernel", shape=(self.units, self.units))
        self.key_kernel = self.add_weight(name="key_kernel", shape=(memory_shape[-1], self.units))
        self.scale = self.add_weight(name="scale", shape=(self.units,))

    def call(self, target, memory):
        weights = self.query_kernel, self.key_kernel, self.scale
        return ops.log_softmax(
            ops.cast(compute_scores(self.lstm(target), memory, *weights), "float32")
        )
