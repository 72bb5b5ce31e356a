"""A recurrent cell that attends to its own past: the Long Short-Term Memory-Network."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.recurrent.cell_adapter import check_state
from keras_attention.layers.recurrent.float32_cell import Float32Cell
from keras_attention.layers.recurrent.lstmn_state import (
    LSTMNState,
    LSTMNSteps,
    pack,
    split_steps,
    unpack,
    write,
)
from keras_attention.normalize import softmax
from keras_attention.precision import to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.score.additive import AdditiveScore
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class LSTMNCell(Float32Cell):
    """An LSTM cell that attends to all of its past states instead of keeping only the last one.

    score: additive over its own past; mask: only the past; normalize: softmax;
    read: weighted sum of the hidden states and of the cells.

        a_ti       = scale . tanh([x_t; s_{t-1}] Wq + h_i Wk),  i < t          (5)
        p_t        = softmax(a_t)                                              (6)
        [s_t; m_t] = sum_i p_ti [h_i; c_i]                                     (7)
        i, f, o, g = [x_t; s_t] W + b                                          (8)
        c_t        = sigmoid(f) * m_t + sigmoid(i) * tanh(g)                   (9)
        h_t        = sigmoid(o) * tanh(c_t)                                    (10)

    At the first step there is no past, and the summary s_t and the cell m_t are zero.

    The cell works wherever Keras's cells do: in `keras.layers.RNN`, in `StackedRNNCells`, and in an
    `AttentionDecoder`, which is the paper's shallow fusion. A masked step of an RNN is not written.
    The states have a fixed size, `max_length` steps: **steps beyond it are not written, so that
    later steps cannot attend to them**. The cell cannot know the length of its sequence, so it does
    not refuse a longer one.

    Under every dtype policy the cell computes in float32 (float64 under a float64 policy) and keeps
    its weights and states in that dtype. The policy sets the dtype of the outputs only.

    Weights, in this order: `kernel` (D + units, 4 units) and `bias` (4 units,) of the gates i, f,
    o, g; then `query_kernel` (D + units, attention_units), `key_kernel` (units, attention_units)
    and `scale` (attention_units,) of the score.

    Args:
        units: Width of the hidden state.
        max_length: Number of steps that the cell can keep.
        attention_units: Width of the score's hidden layer; None = units.
        return_weights: Whether to append the weights over the past to the output.
        return_cells: Whether to append the cell c_t to the output.
        kernel_initializer: Initializer of all kernels and of the score's `scale`.
        kernel_regularizer: Regularizer of all kernels.

    Call arguments:
        inputs: `(batch, D)`, one step.
        states: List of tensors `(batch, n)`: the last output (output_size), the hidden states
            (max_length * units) and cells (max_length * units) of the past, their projections
            (max_length * attention_units), the summary (units), and the number of steps (1).

    Returns:
        Output `(batch, units)`, or `(batch, output_size)` with `return_weights` or `return_cells`,
        which `split_outputs` splits; and the states.

    Raises:
        ValueError: If an argument is invalid.

    Example:
    >>> cell = keras_attention.LSTMNCell(8, max_length=20, return_weights=True)
    >>> run = keras.layers.RNN(cell, return_sequences=True)
    >>> steps = cell.split_outputs(run(np.ones((2, 7, 3), "float32")))
    >>> steps.outputs.shape, steps.weights.shape
    (TensorShape([2, 7, 8]), TensorShape([2, 7, 20]))

    Differs from the paper: the projections h_i Wk are kept, so that a step projects one hidden
    state instead of all of them. The forget gate's bias starts at 1, as in Keras's `LSTMCell`; the
    paper does not specify it. The score has no bias, as in the paper.

    Reference:
        Long Short-Term Memory-Networks for Machine Reading, Cheng, Dong, Lapata (2016), section
        3.1, https://arxiv.org/abs/1601.06733.
    """

    def __init__(
        self,
        units: int,
        max_length: int,
        attention_units: int | None = None,
        return_weights: bool = False,
        return_cells: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units)
        self.max_length = arguments.positive_integer("max_length", max_length)
        self.attention_units = arguments.positive_integer(
            "attention_units", attention_units, optional=True
        )
        self.return_weights = arguments.boolean("return_weights", return_weights)
        self.return_cells = arguments.boolean("return_cells", return_cells)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.score = AdditiveScore(
            self.attention_units or self.units,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            scale_initializer=clone_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.compute_dtype,
        )

    @property
    def state_size(self) -> list[int]:
        """The widths of the states."""
        tape = self.max_length * self.units
        return [self.output_size, tape, tape, self.max_length * self.score.units, self.units, 1]

    @property
    def output_size(self) -> int:
        """The width of the output."""
        weights = self.max_length if self.return_weights else 0
        return self.units * (2 if self.return_cells else 1) + weights

    @property
    def query_size(self) -> int:
        """The number of the output's first features that query an `AttentionDecoder`'s memory."""
        return self.units

    def build(self, input_shape: Shape) -> None:
        batch, width = input_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(width + self.units, 4 * self.units),
            initializer=clone_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(4 * self.units,), initializer=self._create_bias
        )
        self.score.build((batch, 1, width + self.units), (batch, self.max_length, self.units))

    def _create_bias(self, shape, dtype=None):
        zeros = ops.zeros((self.units,), dtype)
        return ops.concatenate([zeros, ops.ones((self.units,), dtype), zeros, zeros])

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        check_tensors("inputs", inputs)
        if len(inputs.shape) != 2:
            raise ValueError(
                "Expected `inputs` of one step, of shape (batch, D). "
                f"Received: inputs of shape {tuple(inputs.shape)}"
            )
        next_state = self.advance(*self._prepare(inputs, states))
        return ops.cast(next_state.output, self.output_dtype), pack(next_state)

    def compute_attention_weights(self, inputs: Tensor, states: list[Tensor]) -> Tensor:
        """Return the weights of one step over the past, `(batch, max_length)`.

        Args:
            inputs: As in `call`.
            states: As in `call`.
        """
        return self._read_past(*self._prepare(inputs, states))[0]

    def _prepare(self, inputs, states):
        """Return the inputs in the cell's precision, and the `LSTMNState`."""
        states = check_state(self, states, "states", inputs.shape[0])
        inputs = to_score_precision(ops.cast(inputs, self.compute_dtype))
        return inputs, unpack(states, self.max_length)

    def advance(
        self, inputs: Tensor, state: LSTMNState, added_cell: Tensor | None = None
    ) -> LSTMNState:
        """Run one step.

        Args:
            inputs: `(batch, D)`, float32 or float64.
            state: The `LSTMNState` before the step.
            added_cell: `(batch, units)`, which is added to the cell c_t, or None.

        Returns:
            The next `LSTMNState`, whose first field is the output.
        """
        weights, summary, memory = self._read_past(inputs, state)
        gates = project(ops.concatenate([inputs, summary], axis=-1), self.kernel, self.bias)
        input_gate, forget_gate, output_gate, candidate = ops.split(gates, 4, axis=-1)
        cell = ops.sigmoid(forget_gate) * memory + ops.sigmoid(input_gate) * ops.tanh(candidate)
        if added_cell is not None:
            cell = cell + added_cell
        hidden = ops.sigmoid(output_gate) * ops.tanh(cell)
        parts = [hidden]
        if self.return_weights:
            parts.append(weights)
        if self.return_cells:
            parts.append(cell)
        return LSTMNState(
            output=ops.concatenate(parts, axis=-1) if len(parts) > 1 else hidden,
            hidden=write(state.hidden, hidden, state.step),
            cells=write(state.cells, cell, state.step),
            keys=write(state.keys, self.score.project_key(hidden), state.step),
            summary=summary,
            step=state.step + 1,
        )

    def _read_past(self, inputs, state):
        """Return the weights over the past, and the sums of hidden states and cells."""
        query = self.score.project_query(ops.concatenate([inputs, state.summary], axis=-1))
        scores = self.score.compare(query[:, None], state.keys)
        is_past = ops.arange(self.max_length, dtype=state.step.dtype) < state.step
        weights = softmax(scores, is_past[:, None])
        past = ops.concatenate([state.hidden, state.cells], axis=-1)
        summary, memory = ops.split(weighted_sum(weights, past)[:, 0], 2, axis=-1)
        return weights[:, 0], summary, memory

    def split_outputs(self, outputs: Tensor) -> LSTMNSteps:
        """Split the outputs of the cell into hidden states, weights and cells.

        Args:
            outputs: `(batch, T, output_size)` or `(batch, output_size)`, a tensor or a symbolic
                tensor that a `keras.layers.RNN` of this cell returned.

        Returns:
            `LSTMNSteps`; the parts that the cell does not return are None.

        Raises:
            ValueError: If `outputs` has another width.
        """
        if outputs.shape[-1] != self.output_size:
            raise ValueError(
                f"Expected `outputs` of this cell, of width {self.output_size}. "
                f"Received: outputs of shape {tuple(outputs.shape)}"
            )
        return split_steps(outputs, self.units, self.max_length if self.return_weights else 0)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "max_length": self.max_length,
            "attention_units": self.attention_units,
            "return_weights": self.return_weights,
            "return_cells": self.return_cells,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
