"""The Neural Turing Machine as a recurrent cell with an addressable memory."""

import copy
from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.layer_arguments import get_activation, get_initializer
from keras_attention.layers.neural_turing_machine.controller import (
    control,
    control_width,
    make_controller,
    state_sizes,
)
from keras_attention.layers.neural_turing_machine.head_parameters import (
    check_shift_range,
    count_parameters,
    split_head_parameters,
)
from keras_attention.layers.neural_turing_machine.recorded_steps import (
    NTMSteps,
    split_steps,
    step_widths,
)
from keras_attention.layers.neural_turing_machine.start import add_start_weights, start_states
from keras_attention.layers.neural_turing_machine.state import (
    NTMState,
    merge_last_axes,
    pack,
    unpack,
)
from keras_attention.layers.recurrent.cell_adapter import check_state
from keras_attention.layers.recurrent.float32_cell import Float32Cell
from keras_attention.memory import add, content, erase, interpolate, sharpen, shift
from keras_attention.precision import saturate_cast, to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class NTMCell(Float32Cell):
    """A cell for `keras.layers.RNN` whose state includes an addressable memory.

    score: cosine × β; mask: —; normalize: softmax, interpolate, shift, sharpen;
    read: weighted sum, then erase/add.

        control_t = controller([inputs_t; reads_{t-1}]),  the heads' k, beta, g, s, gamma, e, a
        content   = softmax_i(beta cos(k, M_{t-1}(i)))                     (5, 6)
        gated     = g content + (1 - g) address_{t-1}                      (7)
        shifted_i = sum_j gated_j s((i - j) mod slots)                     (8)
        address_t = shifted^gamma / sum_j shifted_j^gamma                  (9)
        reads_t   = sum_i address_t(i) M_{t-1}(i),  for each read head     (2)
        M_t(i)    = M_{t-1}(i) prod_h (1 - address_h(i) e_h) + sum_h address_h(i) a_h   (3, 4)
        output_t  = [control_t; reads_t] W + b

    The order within a step: all heads compute their addresses and the read heads read the memory
    before anything is written; then all write heads erase, and then all write heads add. The
    vectors that were read enter the output of this step and the controller of the next.

    Under every dtype policy the cell computes in float32 (float64 under a float64 policy) and
    keeps its weights and states in that dtype, because the initial memory value 1e-6 would be
    rounded away in float16. The policy sets the dtype of the outputs only. `keras.layers.RNN`
    keeps states in its cell's `compute_dtype`, hence in float32; the states that
    `return_state=True` returns are cast to the dtype of the `RNN`. In two cases the states are
    still rounded to half precision: inside `StackedRNNCells`, which `RNN([cell, cell])` creates
    (create it yourself with `dtype="float32"`), and with `stateful=True` under a pure "float16" or
    "bfloat16" policy, where Keras keeps the states in that dtype between batches.

    Weights, in this order: `memory_start` (slots, width) if learned, `address_start` (heads, slots)
    if learned, `read_start` (read_heads, width), `controller_start` (n,) for each state of the
    controller; the controller's weights; `kernel` (controller's width, number of parameters of all
    heads) and `bias` of the heads' parameters; `kernel` and `bias` of the output.

    Args:
        units: Width of the output.
        slots: Number of slots in the memory, N in the paper.
        width: Width of a slot, M in the paper.
        read_heads: Number of read heads.
        write_heads: Number of write heads.
        shift_range: R: a head can shift its address by -R to R slots per step; 2R + 1 <= slots.
        controller: "lstm", "feedforward" (a tanh layer), or a Keras recurrent cell, which may be
            `StackedRNNCells` for several layers. A cell keeps its own dtype policy. It must not
            have dropout, because `keras.layers.RNN` cannot reset its dropout mask.
        controller_units: Width of a controller given by name; None = 100, as in the paper. Must be
            None with a cell, which has its own width.
        memory_start: "constant" (1e-6 everywhere, which Collier and Beel found to learn fastest)
            or "learned" (tanh of a weight).
        address_start: "learned" (softmax of a weight, initialized at random) or "first" (all
            weight on slot 0). A uniform start is not offered: slots that are equal and written
            equally would stay equal forever.
        clip: The heads' raw parameters are clipped to +-clip before they are mapped into their
            ranges; None = no clipping.
        output_activation: Activation of the output; None = linear.
        return_addresses: Whether to append the addresses, reads and additions of all heads to the
            output, which `split_outputs` splits again. The weights are the same either way, so
            that those of a trained cell can be loaded into one that returns addresses.
        kernel_initializer: Initializer of the kernels (not of a controller that is a cell).

    Call arguments:
        inputs: `(batch, D)`, one step.
        states: List of tensors `(batch, n)`: the last output (output_size), the controller's
            states, the memory (slots * width), the last reads (read_heads * width), the addresses
            of all heads (heads * slots, read heads first).

    Returns:
        Output `(batch, units)`, or `(batch, output_size)` with `return_addresses`, and the states.
        In a `keras.layers.RNN` a masked step leaves the state unchanged. The loop still computes
        that step, so that NaN in its input gives NaN gradients.

    Raises:
        ValueError: If an argument is invalid.

    Example:
    >>> cell = keras_attention.NTMCell(8, slots=16, width=5, return_addresses=True)
    >>> run = keras.layers.RNN(cell, return_sequences=True)
    >>> steps = cell.split_outputs(run(np.ones((2, 7, 3), "float32")))
    >>> steps.outputs.shape, steps.read_addresses.shape
    (TensorShape([2, 7, 8]), TensorShape([2, 7, 1, 16]))

    With a `stateful=True` RNN, Keras's `reset_state` sets all states to zero, memory and addresses
    included, and equal slots stay equal: pass `get_initial_state(batch_size)` as `initial_state`
    instead. The states are variables there, so that learned start weights get no gradient.

    Differs from the paper: the paper gives only the ranges of the heads' parameters; here keys and
    additions use tanh, gates and erasures a sigmoid, strengths softplus and sharpness 1 + softplus.
    The initial memory is constant unless `memory_start="learned"`. The paper does not specify the
    initial addresses, and has no epsilon in cosine and sharpening. As in Collier and Beel, reading
    precedes writing and the heads' raw parameters are clipped. They clip the output too; this cell
    does not.

    Reference:
        Neural Turing Machines, Graves, Wayne, Danihelka (2014), https://arxiv.org/abs/1410.5401;
        Implementing Neural Turing Machines, Collier, Beel (2018), https://arxiv.org/abs/1807.08518.
    """

    def __init__(
        self,
        units: int,
        slots: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        controller: Literal["lstm", "feedforward"] | keras.layers.Layer = "lstm",
        controller_units: int | None = None,
        memory_start: Literal["constant", "learned"] = "constant",
        address_start: Literal["learned", "first"] = "learned",
        clip: float | None = 20.0,
        output_activation: Any = None,
        return_addresses: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
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
        self.output_activation = get_activation("output_activation", output_activation)
        self.return_addresses = arguments.boolean("return_addresses", return_addresses)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
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
        self.to_heads = self._make_dense(count_parameters(**self.heads), "to_heads")
        self.to_output = self._make_dense(
            self.units, "to_output", activation=self.output_activation
        )

    def _make_dense(self, units, name, **options):
        initializer = clone_initializer(self.kernel_initializer)
        options |= {"kernel_initializer": initializer, "dtype": self.compute_dtype}
        return keras.layers.Dense(units, name=name, **options)

    @property
    def state_size(self) -> list[int]:
        """The widths of the states."""
        memory, reads = self.slots * self.width, self.read_heads * self.width
        addresses = self.heads["heads"] * self.slots
        return [self.output_size, *state_sizes(self.controller), memory, reads, addresses]

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return sum(sum(part) for part in self._widths) if self.return_addresses else self.units

    @property
    def query_size(self) -> int:
        """The number of the output's first features that query an `AttentionDecoder`'s memory."""
        return self.units

    @property
    def _widths(self):
        return step_widths(self.units, self.slots, self.width, self.read_heads, self.write_heads)

    def build(self, input_shape: Shape) -> None:
        add_start_weights(self)
        batch, inputs_width = input_shape
        reads_width, controller_width = self.read_heads * self.width, control_width(self.controller)
        if not self.controller.built:
            self.controller.build((batch, inputs_width + reads_width))
        self.to_heads.build((batch, controller_width))
        self.to_output.build((batch, controller_width + reads_width))

    def get_initial_state(self, batch_size: int | Tensor) -> list[Tensor]:
        """Return the states before the first step, from the start weights.

        Args:
            batch_size: An int or a scalar tensor.

        Returns:
            List of tensors `(batch_size, n)`.

        Raises:
            ValueError: If the cell is not built and has no weights yet.
        """
        if not self.built:
            raise ValueError(
                "Expected a built cell, since the initial state comes from its weights. "
                f"Received: {self.name}, not built"
            )
        arguments.size("batch_size", batch_size)
        return start_states(self, batch_size)

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        check_tensors("inputs", inputs)
        if len(inputs.shape) != 2:
            raise ValueError(
                "Expected `inputs` of one step, of shape (batch, D). "
                f"Received: inputs of shape {tuple(inputs.shape)}"
            )
        states = check_state(self, states, "states", inputs.shape[0])
        state = unpack(states, self.slots, self.width)
        inputs = to_score_precision(ops.cast(inputs, self.compute_dtype))
        controller_inputs = ops.concatenate([inputs, merge_last_axes(state.reads)], axis=-1)
        controller_output, controller_state = control(
            self.controller, controller_inputs, state.controller, self.compute_dtype
        )
        parameters = self.to_heads(controller_output)
        if self.clip is not None:
            parameters = ops.clip(parameters, -self.clip, self.clip)
        head_parameters = split_head_parameters(parameters, **self.heads)

        addresses = content(head_parameters.keys, head_parameters.strengths, state.memory)
        addresses = interpolate(addresses, state.addresses, head_parameters.gates)
        addresses = shift(addresses, head_parameters.shifts)
        addresses = sharpen(addresses, head_parameters.sharpness)
        read_addresses, write_addresses = ops.split(addresses, [self.read_heads], axis=1)
        reads = weighted_sum(read_addresses, state.memory)
        memory = erase(state.memory, write_addresses, head_parameters.erasures)
        memory = add(memory, write_addresses, head_parameters.additions)

        output = ops.concatenate([controller_output, merge_last_axes(reads)], axis=-1)
        output = self.to_output(output)
        if self.return_addresses:
            record = [read_addresses, write_addresses, reads, head_parameters.additions]
            output = ops.concatenate([output, *map(merge_last_axes, record)], axis=-1)
        next_state = NTMState(output, controller_state, memory, reads, addresses)
        return saturate_cast(output, self.output_dtype), pack(next_state)

    def compute_attention_weights(self, inputs: Tensor, states: list[Tensor]) -> dict[str, Tensor]:
        """Return the addresses of one step, each `(batch, heads, slots)`.

        Args:
            inputs: As in `call`.
            states: As in `call`.
        """
        _, next_states = self.call(inputs, states)
        addresses = unpack(next_states, self.slots, self.width).addresses
        read_addresses, write_addresses = ops.split(addresses, [self.read_heads], axis=1)
        return {"read_addresses": read_addresses, "write_addresses": write_addresses}

    def split_outputs(self, outputs: Tensor) -> NTMSteps:
        """Split the outputs of a cell with `return_addresses=True` into named parts.

        Args:
            outputs: `(batch, T, output_size)` or `(batch, output_size)`, a tensor or a symbolic
                tensor that a `keras.layers.RNN` of this cell returned.

        Returns:
            `NTMSteps`, whose parts carry no Keras mask, and have no axis T if `outputs` has none.
            In a functional model, `keras.Model(inputs, steps._asdict())` names its outputs by them.

        Raises:
            ValueError: If the cell has `return_addresses=False` or `outputs` has another width.
        """
        if not self.return_addresses or outputs.shape[-1] != self.output_size:
            raise ValueError(
                "Expected `outputs` of a cell with return_addresses=True, of width "
                f"{sum(sum(part) for part in self._widths)}. Received: return_addresses="
                f"{self.return_addresses}, outputs of shape {tuple(outputs.shape)}"
            )
        return split_steps(outputs, self._widths)

    def get_config(self) -> Config:
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
    def from_config(cls, config: Config) -> "NTMCell":
        config = copy.deepcopy(config)  # `StackedRNNCells.from_config` empties its config
        if isinstance(config.get("controller"), dict):
            config["controller"] = keras.saving.deserialize_keras_object(config["controller"])
        return cls(**config)
