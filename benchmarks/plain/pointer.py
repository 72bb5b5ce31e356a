"""A pointer network's decoder of Keras core's layers and the paper's formula."""

import keras
from keras import ops


class PlainPointer(keras.layers.Layer):
    """An LSTM whose outputs are compared with every element, all pairs at once."""

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
        asked = ops.matmul(self.lstm(target), self.query_kernel)
        keys = ops.matmul(memory, self.key_kernel)
        hidden = ops.tanh(ops.expand_dims(asked, 2) + ops.expand_dims(keys, 1))
        scores = ops.sum(hidden * self.scale, axis=-1)
        return ops.log_softmax(ops.cast(scores, "float32"))
