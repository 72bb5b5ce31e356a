"""A Neural Turing Machine that shifts addresses by a matrix product, one head after the other."""

import keras
import numpy as np
from keras import ops


class PlainNTMCell(keras.layers.Layer):
    """A cell with one read head and one write head, whose weights have the order of `NTMCell`'s.

    An address is shifted by a product with a circulant matrix (slots, slots), which is built at
    every step.
    """

    def __init__(self, units, slots, width, controller_units, **kwargs):
        super().__init__(**kwargs)
        self.units, self.slots, self.width = units, slots, width
        self.controller_units = controller_units
        self.state_size = [controller_units] * 2 + [slots * width, width, 2 * slots]
        self.output_size = units
        # shift_index[i, j]: index of the shift that moves slot j to slot i; 3 if no shift does.
        i, j = np.arange(slots)[:, None], np.arange(slots)[None]
        self.shift_index = np.minimum((i - j + 1) % slots, 3)

    def build(self, input_shape):
        def add(name, *shape):
            return self.add_weight(name=name, shape=shape)

        self.address_start = add("address_start", 2, self.slots)
        self.read_start = add("read_start", 1, self.width)
        self.hidden_start = add("hidden_start", self.controller_units)
        self.carry_start = add("carry_start", self.controller_units)
        input_width = input_shape[-1] + self.width
        self.kernel = add("kernel", input_width, 4 * self.controller_units)
        self.recurrent_kernel = add("recurrent", self.controller_units, 4 * self.controller_units)
        self.bias = add("bias", 4 * self.controller_units)
        # The heads' addresses have width + 6 parameters each; erasure and addition have width each.
        parameter_count = 2 * (self.width + 6) + 2 * self.width
        self.heads_kernel = add("heads_kernel", self.controller_units, parameter_count)
        self.heads_bias = add("heads_bias", parameter_count)
        self.output_kernel = add("output_kernel", self.controller_units + self.width, self.units)
        self.output_bias = add("output_bias", self.units)

    def get_initial_state(self, batch_size):
        memory = ops.full((self.slots * self.width,), 1e-6)
        reads = ops.reshape(ops.tanh(self.read_start), (-1,))
        addresses = ops.reshape(ops.softmax(self.address_start), (-1,))
        states = [self.hidden_start, self.carry_start, memory, reads, addresses]
        return [ops.broadcast_to(x, (batch_size, x.shape[0])) for x in states]

    def call(self, inputs, states):
        hidden, carry, memory, read, addresses = states
        memory = ops.reshape(memory, (-1, self.slots, self.width))
        cell_inputs = ops.concatenate([inputs, read], axis=-1)
        hidden, carry = self._step_lstm(cell_inputs, hidden, carry)
        parameters = ops.matmul(hidden, self.heads_kernel) + self.heads_bias
        parameters = ops.clip(parameters, -20, 20)
        count = self.width + 6  # number of parameters of an address
        previous = addresses[:, : self.slots], addresses[:, self.slots :]
        read_address = self._compute_address(parameters[:, :count], previous[0], memory)
        write_address = self._compute_address(parameters[:, count : 2 * count], previous[1], memory)
        read = ops.sum(read_address[..., None] * memory, axis=1)
        erasure = ops.sigmoid(parameters[:, 2 * count : 2 * count + self.width])
        addition = ops.tanh(parameters[:, 2 * count + self.width :])
        memory = memory * (1 - write_address[..., None] * erasure[:, None])
        memory = memory + write_address[..., None] * addition[:, None]
        output = ops.matmul(ops.concatenate([hidden, read], axis=-1), self.output_kernel)
        addresses = ops.concatenate([read_address, write_address], axis=-1)
        memory = ops.reshape(memory, (-1, self.slots * self.width))
        return output + self.output_bias, [hidden, carry, memory, read, addresses]

    def _step_lstm(self, inputs, hidden, carry):
        gates = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel)
        i, f, c, o = ops.split(gates + self.bias, 4, axis=-1)
        carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(c)
        return ops.sigmoid(o) * ops.tanh(carry), carry

    def _compute_address(self, parameters, previous, memory):
        """Return the address of one head, by equations 5 to 9 of Graves et al. (2014)."""
        width = self.width
        key, strength = ops.tanh(parameters[:, :width]), ops.softplus(parameters[:, width])
        gate = ops.sigmoid(parameters[:, width + 1, None])
        sharpness = 1 + ops.softplus(parameters[:, width + 2, None])
        shifts = ops.softmax(parameters[:, width + 3 :])
        norms = ops.norm(key, axis=-1)[:, None] * ops.norm(memory, axis=-1)
        cosine = ops.sum(key[:, None] * memory, axis=-1) / norms
        address = gate * ops.softmax(strength[:, None] * cosine) + (1 - gate) * previous
        # Append weight 0, at index 3, for pairs of slots that no shift connects.
        shift_weights = ops.concatenate([shifts, ops.zeros_like(shifts[:, :1])], axis=-1)
        circulant = ops.take(shift_weights, self.shift_index, axis=1)
        address = ops.matmul(circulant, address[..., None])[..., 0]
        powered = (address + 1e-12) ** sharpness
        return powered / ops.sum(powered, axis=-1, keepdims=True)
