"""A Neural Turing Machine with a matrix for the shift and one head after the other."""

import keras
import numpy as np
from keras import ops


class PlainNTMCell(keras.layers.Layer):
    """One read head and one write head; its weights stand as an `NTMCell`'s do.

    The address moves by a product with a circulant slots x slots matrix, made at every step.
    """

    def __init__(self, units, slots, width, controller_units, **kwargs):
        super().__init__(**kwargs)
        self.units, self.slots, self.width = units, slots, width
        self.controller_units = controller_units
        self.state_size = [controller_units] * 2 + [slots * width, width, 2 * slots]
        self.output_size = units
        # shift_of[i, j]: which of the three shifts takes slot j to slot i; 3 = none of them.
        i, j = np.arange(slots)[:, None], np.arange(slots)[None]
        self.shift_of = np.minimum((i - j + 1) % slots, 3)

    def build(self, input_shape):
        def add(name, *shape):
            return self.add_weight(name=name, shape=shape)

        self.address_start = add("address_start", 2, self.slots)
        self.read_start = add("read_start", 1, self.width)
        self.hidden_start = add("hidden_start", self.controller_units)
        self.carry_start = add("carry_start", self.controller_units)
        seen = input_shape[-1] + self.width
        self.kernel = add("kernel", seen, 4 * self.controller_units)
        self.recurrent_kernel = add("recurrent", self.controller_units, 4 * self.controller_units)
        self.bias = add("bias", 4 * self.controller_units)
        numbers = 2 * (self.width + 6) + 2 * self.width
        self.heads_kernel = add("heads_kernel", self.controller_units, numbers)
        self.heads_bias = add("heads_bias", numbers)
        self.output_kernel = add("output_kernel", self.controller_units + self.width, self.units)
        self.output_bias = add("output_bias", self.units)

    def get_initial_state(self, batch_size):
        memory = ops.full((self.slots * self.width,), 1e-6)
        reads = ops.reshape(ops.tanh(self.read_start), (-1,))
        addresses = ops.reshape(ops.softmax(self.address_start), (-1,))
        start = [self.hidden_start, self.carry_start, memory, reads, addresses]
        return [ops.broadcast_to(x, (batch_size, x.shape[0])) for x in start]

    def call(self, inputs, states):
        hidden, carry, memory, read, addresses = states
        memory = ops.reshape(memory, (-1, self.slots, self.width))
        seen = ops.concatenate([inputs, read], axis=-1)
        hidden, carry = self._lstm(seen, hidden, carry)
        numbers = ops.clip(ops.matmul(hidden, self.heads_kernel) + self.heads_bias, -20, 20)
        each = self.width + 6
        before = addresses[:, : self.slots], addresses[:, self.slots :]
        reading = self._address(numbers[:, :each], before[0], memory)
        writing = self._address(numbers[:, each : 2 * each], before[1], memory)
        read = ops.sum(reading[..., None] * memory, axis=1)
        erasure = ops.sigmoid(numbers[:, 2 * each : 2 * each + self.width])
        addition = ops.tanh(numbers[:, 2 * each + self.width :])
        memory = memory * (1 - writing[..., None] * erasure[:, None])
        memory = memory + writing[..., None] * addition[:, None]
        output = ops.matmul(ops.concatenate([hidden, read], axis=-1), self.output_kernel)
        addresses = ops.concatenate([reading, writing], axis=-1)
        flat = ops.reshape(memory, (-1, self.slots * self.width))
        return output + self.output_bias, [hidden, carry, flat, read, addresses]

    def _lstm(self, seen, hidden, carry):
        gates = ops.matmul(seen, self.kernel) + ops.matmul(hidden, self.recurrent_kernel)
        i, f, c, o = ops.split(gates + self.bias, 4, axis=-1)
        carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(c)
        return ops.sigmoid(o) * ops.tanh(carry), carry

    def _address(self, numbers, before, memory):
        """The four steps of one head, equations 5 to 9."""
        width = self.width
        key, strength = ops.tanh(numbers[:, :width]), ops.softplus(numbers[:, width])
        gate = ops.sigmoid(numbers[:, width + 1, None])
        sharpness = 1 + ops.softplus(numbers[:, width + 2, None])
        shifts = ops.softmax(numbers[:, width + 3 :])
        lengths = ops.norm(key, axis=-1)[:, None] * ops.norm(memory, axis=-1)
        cosine = ops.sum(key[:, None] * memory, axis=-1) / lengths
        address = gate * ops.softmax(strength[:, None] * cosine) + (1 - gate) * before
        amounts = ops.concatenate([shifts, ops.zeros_like(shifts[:, :1])], axis=-1)
        circulant = ops.take(amounts, self.shift_of, axis=1)
        address = ops.matmul(circulant, address[..., None])[..., 0]
        powered = (address + 1e-12) ** sharpness
        return powered / ops.sum(powered, axis=-1, keepdims=True)
