"""The Neural Turing Machine: a recurrent cell that reads and writes a memory by address."""

import copy
import numbers

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.initial_weights import clone_initializer
from keras_attention.layers.neural_turing_machine.controller import (
    control,
    control_width,
    make_controller,
    state_sizes,
)
from keras_attention.layers.neural_turing_machine.head_parameters import (
    head_parameters,
    parameter_count,
)
from keras_attention.layers.neural_turing_machine.recorded_steps import split_steps, step_widths
from keras_attention.layers.neural_turing_machine.state import NTMState, flat, pack, unpack
from keras_attention.memory import add, content, erase, interpolate, sharpen, shift
from keras_attention.normalize import softmax
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.read import weighted_sum

CONSTANT_START = 1e-6  # not 0, where the cosine has no direction


@keras.saving.register_keras_serializable(package="keras_attention")
class NTMCell(BaseLayer):
    """A cell for `keras.layers.RNN` whose state is a memory, read and written by address.

    score: cosine × β; mask: —; normalize: softmax, interpolate, shift, sharpen;
    read: weighted sum, then erase/add.

        control_t = controller([inputs_t; reads_{t-1}]),  the heads' k, beta, g, s, gamma, e, a
        content   = softmax_i(beta cos(k, M_{t-1}(i)))                     (5, 6)
        gated     = g content + (1 - g) address_{t-1}                      (7)
        shifted_i = sum_j gated_j s((i - j) mod slots)                     (8)
        address_t = shifted^gamma / sum_j shifted_j^gamma                  (9)
        reads_t   = sum_i address_t(i) M_{t-1}(i),  of each read head      (2)
        M_t(i)    = M_{t-1}(i) prod_h (1 - address_h(i) e_h) + sum_h address_h(i) a_h   (3, 4)
        output_t  = [control_t; reads_t] W + b

    In this order: all heads find their addresses and the read heads read before anything is
    written; then every write head erases, and then every write head adds. What is read enters
    this step's output and the next step's controller.

    Whatever the dtype policy, the cell computes in float32 (float64 in a float64 policy), and its
    weights and states are of that dtype too: the 1e-6 that a constant memory starts with would
    not survive float16. The policy sets the dtype of the outputs. `keras.layers.RNN` keeps states
    in its cell's `compute_dtype`, so it keeps these; only what `return_state=True` returns is cast
    to the `RNN`'s own dtype. `StackedRNNCells` around the cell, which `RNN([cell, cell])` makes,
    rounds states in a half-precision policy: make it yourself with `dtype="float32"`. And with
    `stateful=True` in a pure "float16" or "bfloat16" policy Keras keeps the states of that dtype
    between batches.

    Weights, in this order: `memory_start` (slots, width) if it is learned, `address_start` (heads,
    slots) if it is learned, `read_start` (read_heads, width), `controller_start` (n,) for every
    state of the controller; the controller's; `kernel` and `bias` of the heads, (controller's
    width, numbers for all heads); `kernel` and `bias` of the output.

    Args:
        units: Width of the output.
        slots: Number of slots in the memory, N in the paper.
        width: Width of a slot, M in the paper.
        read_heads: Number of heads that read.
        write_heads: Number of heads that write.
        shift_range: R: a head can shift its address by -R to R slots a step; 2R + 1 <= slots.
        controller: "lstm", "feedforward" (a tanh layer), or a Keras recurrent cell, of which
            `StackedRNNCells` makes several layers. A cell is used as it is, in its own dtype
            policy; it may not have dropout, which nothing could draw anew for it.
        controller_units: Width of a controller given by name; None = 100, as in the paper.
            Refused with a cell, which has its own.
        memory_start: "constant" (1e-6 everywhere, which Collier and Beel found to learn fastest)
            or "learned" (tanh of a weight).
        address_start: "learned" (softmax of a weight, drawn at random) or "first" (all weight on
            slot 0). Never uniform: equal slots that are written equally stay equal for ever.
        clip: The numbers that the heads get from the controller are held within +-clip before
            they are brought into their ranges; None lets them be.
        output_activation: Applied to the output; None = none.
        return_addresses: Whether an output holds, behind its `units` numbers, what `split_outputs`
            gives names to: all addresses, what was read and what was added. It makes no difference
            to the weights: another cell's can be set to look at what that one does.
        kernel_initializer: Initializer of the kernels (not of a controller that is a cell).

    Call arguments:
        inputs: `(batch, D)`, one step.
        states: List of tensors `(batch, n)`: the last output (output_size), the controller's
            states, the memory (slots * width), what was read (read_heads * width), all addresses
            (heads * slots, read heads first).

    Returns:
        Output `(batch, units)`, or `(batch, output_size)` with `return_addresses`, and the states.
        In a `keras.layers.RNN` a masked step leaves the state as it was; but the loop computes it
        all the same, so that a NaN in it is a NaN in gradients.

    Raises:
        ValueError: If an argument is not one of these.

    Example:
    >>> cell = keras_attention.NTMCell(8, slots=16, width=5, return_addresses=True)
    >>> run = keras.layers.RNN(cell, return_sequences=True)
    >>> steps = cell.split_outputs(run(np.ones((2, 7, 3), "float32")))
    >>> steps.outputs.shape, steps.read_addresses.shape
    (TensorShape([2, 7, 8]), TensorShape([2, 7, 1, 16]))

    Of a `stateful=True` RNN, Keras's `reset_state` sets the states to zeros, memory and addresses
    too, and equal slots stay equal: give a fresh start as `initial_state` instead. The states
    are variables there, and what starts them learned gets no gradient.

    Differs from the paper: where it gives ranges only, keys and additions go through tanh, gates
    and erasures through a sigmoid, strengths through softplus and sharpness through 1 + softplus;
    the memory starts constant unless `memory_start="learned"`; the paper does not say where
    addresses start, and writes no eps. As Collier and Beel do, it reads before it writes and clips
    the heads' numbers; unlike them it does not clip the output.

    Reference:
        Neural Turing Machines, Graves, Wayne, Danihelka (2014), https://arxiv.org/abs/1410.5401;
        Implementing Neural Turing Machines, Collier, Beel (2018), https://arxiv.org/abs/1807.08518.
    """

    def __init__(
        self,
        units,
        slots=128,
        width=20,
        read_heads=1,
        write_heads=1,
        shift_range=1,
        controller="lstm",
        controller_units=None,
        memory_start="constant",
        address_start="learned",
        clip=20.0,
        output_activation=None,
        return_addresses=False,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units)
        self.slots = arguments.positive_integer("slots", slots)
        self.width = arguments.positive_integer("width", width)
        self.read_heads = arguments.positive_integer("read_heads", read_heads)
        self.write_heads = arguments.positive_integer("write_heads", write_heads)
        self.shift_range = check_shift_range(shift_range, self.slots)
        self.controller_name = controller if isinstance(controller, str) else None
        self.controller_units = controller_units
        self.memory_start = arguments.one_of("memory_start", memory_start, ("constant", "learned"))
        self.address_start = arguments.one_of("address_start", address_start, ("learned", "first"))
        self.clip = arguments.positive_number("clip", clip, optional=True)
        self.output_activation = keras.activations.get(output_activation)
        self.return_addresses = arguments.boolean("return_addresses", return_addresses)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.controller = make_controller(
            controller,
            controller_units,
            clone_initializer(self.kernel_initializer),
            self.compute_dtype,
        )
        self.heads = {
            "heads": self.read_heads + self.write_heads,
            "write_heads": self.write_heads,
            "width": self.width,
            "shifts": 2 * self.shift_range + 1,
        }
        self.to_heads = self._dense(parameter_count(**self.heads), "to_heads")
        self.to_output = self._dense(self.units, "to_output", activation=self.output_activation)

    def _dense(self, units, name, **options):
        initializer = clone_initializer(self.kernel_initializer)
        options |= {"kernel_initializer": initializer, "dtype": self.compute_dtype}
        return keras.layers.Dense(units, name=name, **options)

    @property
    def compute_dtype(self):
        """The dtype in which the cell computes and keeps its states: float32 at least."""
        return score_dtype(super().compute_dtype)

    @property
    def variable_dtype(self):
        """The dtype of the weights: float32 at least."""
        return score_dtype(super().variable_dtype)

    @property
    def state_size(self):
        """Widths of the states."""
        memory, reads = self.slots * self.width, self.read_heads * self.width
        addresses = self.heads["heads"] * self.slots
        return [self.output_size, *state_sizes(self.controller), memory, reads, addresses]

    @property
    def output_size(self):
        """Width of the output."""
        return sum(sum(part) for part in self._widths) if self.return_addresses else self.units

    @property
    def _widths(self):
        return step_widths(self.units, self.slots, self.width, self.read_heads, self.write_heads)

    def build(self, input_shape):
        if self.memory_start == "learned":
            self.memory_weight = self._start("memory_start", (self.slots, self.width), 0.5)
        if self.address_start == "learned":
            self.address_weight = self._start("address_start", (self.heads["heads"], self.slots), 1)
        self.reads_weight = self._start("read_start", (self.read_heads, self.width), 0.5)
        self.controller_weights = [
            self._start(f"controller_start_{n}", (size,), 0)
            for n, size in enumerate(state_sizes(self.controller))
        ]
        batch, inputs_width = input_shape
        reads_width, controlled = self.read_heads * self.width, control_width(self.controller)
        if not self.controller.built:
            self.controller.build((batch, inputs_width + reads_width))
        self.to_heads.build((batch, controlled))
        self.to_output.build((batch, controlled + reads_width))

    def _start(self, name, shape, stddev):
        drawn = keras.initializers.RandomNormal(stddev=stddev)
        # Read in the scope of the RNN too, whose policy must not make half of it.
        return self.add_weight(name=name, shape=shape, initializer=drawn, autocast=False)

    def get_initial_state(self, batch_size):
        """The states before the first step, as the weights say.

        Args:
            batch_size: An int or a scalar tensor.

        Returns:
            List of tensors `(batch_size, n)`.

        Raises:
            ValueError: If the cell is not built: it has no weights yet.
        """
        if not self.built:
            raise ValueError("Expected a cell that is built. Received: one that is not")
        if self.memory_start == "learned":
            memory = ops.tanh(self.memory_weight)
        else:
            memory = ops.full((self.slots, self.width), CONSTANT_START, self.compute_dtype)
        if self.address_start == "learned":
            addresses = softmax(self.address_weight)
        else:
            first = ops.one_hot(0, self.slots, dtype=self.compute_dtype)
            addresses = ops.broadcast_to(first, (self.heads["heads"], self.slots))
        start = NTMState(
            output=ops.zeros((self.output_size,), self.compute_dtype),
            controller=list(self.controller_weights),
            memory=memory,
            reads=ops.tanh(self.reads_weight),
            addresses=addresses,
        )
        flat_start = [ops.reshape(x, (-1,)) for x in tree.flatten(start)]
        return [ops.broadcast_to(x, (batch_size, x.shape[0])) for x in flat_start]

    def call(self, inputs, states):
        state = unpack(states, self.slots, self.width)
        inputs = to_score_precision(ops.cast(inputs, self.compute_dtype))
        seen = ops.concatenate([inputs, flat(state.reads)], axis=-1)
        controlled, controller_state = control(
            self.controller, seen, state.controller, self.compute_dtype
        )
        numbers_for_heads = self.to_heads(controlled)
        if self.clip is not None:
            numbers_for_heads = ops.clip(numbers_for_heads, -self.clip, self.clip)
        told = head_parameters(numbers_for_heads, **self.heads)

        addresses = content(told.keys, told.strengths, state.memory)
        addresses = interpolate(addresses, state.addresses, told.gates)
        addresses = shift(addresses, told.shifts)
        addresses = sharpen(addresses, told.sharpness)
        reading, writing = addresses[:, : self.read_heads], addresses[:, self.read_heads :]
        reads = weighted_sum(reading, state.memory)
        memory = erase(state.memory, writing, told.erasures)
        memory = add(memory, writing, told.additions)

        output = self.to_output(ops.concatenate([controlled, flat(reads)], axis=-1))
        if self.return_addresses:
            done = [reading, writing, reads, told.additions]
            output = ops.concatenate([output, *map(flat, done)], axis=-1)
        following = NTMState(output, controller_state, memory, reads, addresses)
        return ops.cast(output, super().compute_dtype), pack(following)

    def split_outputs(self, outputs):
        """Names the parts of what a cell with `return_addresses=True` puts out.

        Args:
            outputs: `(batch, T, output_size)`, or `(batch, output_size)`, a tensor or a symbolic
                one, as a `keras.layers.RNN` of this cell returned it.

        Returns:
            `NTMSteps`, whose parts have a Keras mask no longer; without T if `outputs` has none.
            In a functional model `keras.Model(inputs, steps._asdict())` gives them their names.

        Raises:
            ValueError: If `outputs` has another width.
        """
        if not self.return_addresses or outputs.shape[-1] != self.output_size:
            raise ValueError(
                "Expected `outputs` of a cell with return_addresses=True, of width "
                f"{sum(sum(part) for part in self._widths)}. Received: return_addresses="
                f"{self.return_addresses}, outputs of shape {tuple(outputs.shape)}"
            )
        return split_steps(outputs, self._widths)

    def get_config(self):
        controller = self.controller_name or keras.saving.serialize_keras_object(self.controller)
        return {
            **super().get_config(),
            "units": self.units,
            "slots": self.slots,
            "width": self.width,
            "read_heads": self.read_heads,
            "write_heads": self.write_heads,
            "shift_range": self.shift_range,
            "controller": controller,
            "controller_units": self.controller_units,
            "memory_start": self.memory_start,
            "address_start": self.address_start,
            "clip": self.clip,
            "output_activation": keras.activations.serialize(self.output_activation),
            "return_addresses": self.return_addresses,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # a stack of cells empties the config that it is made from
        if isinstance(config.get("controller"), dict):
            config["controller"] = keras.saving.deserialize_keras_object(config["controller"])
        return cls(**config)


def check_shift_range(shift_range, slots):
    """Returns R as an int if it is at least 0 and a shift is not more than once round."""
    is_integer = isinstance(shift_range, numbers.Integral) and not isinstance(shift_range, bool)
    if not is_integer or shift_range < 0 or 2 * shift_range + 1 > slots:
        raise ValueError(
            "Expected `shift_range` to be an integer of at least 0 with 2 shift_range + 1 <= "
            f"slots. Received: shift_range={shift_range!r}, slots={slots}"
        )
    return int(shift_range)
