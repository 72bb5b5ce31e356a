"""A deep stack of recurrent cells with residual connections, as in GNMT."""

import copy
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    check_state,
    has_dropout,
    has_fixed_dropout_masks,
    initial_state,
    output_size,
    pack_state,
)
from keras_attention.layers.recurrent.float32_cell import Float32Cell
from keras_attention.precision import saturate_cast
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class ResidualStack(Float32Cell):
    """A recurrent cell made of a stack of cells, whose upper cells add their input to their output.

    score: none; mask: none; normalize: none; read: none.

        y_0 = cell_0([x; shared])
        y_k = cell_k([y_{k-1}; shared])               for 0 < k < residual_from
        y_k = cell_k([y_{k-1}; shared]) + y_{k-1}     for k >= residual_from

    `AttentionDecoder(ResidualStack(cells, shared_width=Dv), AdditiveAttention(n))` is GNMT's
    decoder: the query is the previous state of the bottom cell, and the context, the last Dv
    features of the input, is an input of every cell. Without `shared_width`, the stack in
    `keras.layers.RNN` is the upper part of GNMT's encoder.

    The states and the sums have float32 under every dtype policy (float64 under a float64 policy).
    The cells keep their own policies.

    Weights: those of the cells, in order.

    Args:
        cells: Keras recurrent cells, from bottom to top. Those from `residual_from` on have
            outputs of the same width as the cell below, or as the input if `residual_from` is 0.
            A cell with dropout can be trained in an `AttentionDecoder` only: `keras.layers.RNN`
            does not reset the dropout masks of cells inside another cell.
        residual_from: Index of the first cell whose input is added to its output; the bottom cell
            is 0. Default 2, as in GNMT.
        shared_width: Number of the last features of the input that every cell gets, such as an
            attention's context. They are not part of what is added. Default 0.

    Call arguments:
        inputs: `(batch, D)`, one step.
        states: List with the states of each cell, and one with the last output. It is the last
            because on JAX a `keras.layers.RNN` returns it as the output of a masked step.
        training: Whether the cells apply dropout.

    Returns:
        The output of the top cell, `(batch, n)`, and the list of states.

    Raises:
        ValueError: If an argument is invalid or the widths of a residual connection differ.

    Example:
    >>> stack = keras_attention.ResidualStack([keras.layers.LSTMCell(4) for _ in range(3)])
    >>> keras.layers.RNN(stack)(np.ones((2, 7, 5), "float32")).shape
    TensorShape([2, 4])

    Differs from the paper: the encoder's bidirectional bottom layer is not part of the stack; it is
    a `keras.layers.Bidirectional` before it.

    Reference:
        Google's Neural Machine Translation System, Wu et al. (2016), sections 3 and 3.1,
        https://arxiv.org/abs/1609.08144.
    """

    def __init__(
        self,
        cells: Sequence[keras.layers.Layer],
        residual_from: int = 2,
        shared_width: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(
                f"Expected `cells` to be a list of recurrent cells. Received: cells={cells!r}"
            )
        self.cells = [check_cell(f"cells[{k}]", cell) for k, cell in enumerate(cells)]
        self.residual_from = arguments.nonnegative_integer("residual_from", residual_from)
        self.shared_width = arguments.nonnegative_integer("shared_width", shared_width)

    @property
    def state_size(self) -> list[list[int]]:
        """The widths of the states of each cell, and of the output."""
        return [*(tree.flatten(cell.state_size) for cell in self.cells), [self.output_size]]

    @property
    def output_size(self) -> int:
        """The width of the output."""
        return output_size(self.cells[-1])

    def build(self, input_shape: Shape) -> None:
        batch, width = input_shape[0], input_shape[-1] - self.shared_width
        if width < 1:
            raise ValueError(
                f"Expected inputs of more than {self.shared_width} features, which is "
                f"`shared_width`. Received: inputs of shape {tuple(input_shape)}"
            )
        self._width = input_shape[-1]
        for k, cell in enumerate(self.cells):
            if k >= self.residual_from and output_size(cell) != width:
                raise ValueError(
                    f"Expected `cells[{k}]` with an output of width {width}, that of its input, "
                    f"because they are added. Received: cells[{k}] with an output of width "
                    f"{output_size(cell)}. Change its units, or `residual_from`"
                )
            if not cell.built:
                cell.build((batch, width + self.shared_width))
            width = output_size(cell)

    def get_initial_state(self, batch_size: int | Tensor) -> list[Nest]:
        """Return the initial states of all cells, and zeros for the last output.

        Args:
            batch_size: An int or a scalar tensor.
        """
        arguments.size("batch_size", batch_size)
        states = [tree.flatten(initial_state(cell, batch_size)) for cell in self.cells]
        states = [[ops.cast(x, self.compute_dtype) for x in state] for state in states]
        return [*states, [ops.zeros((batch_size, self.output_size), self.compute_dtype)]]

    def call(
        self, inputs: Tensor, states: Nest, training: bool | None = None
    ) -> tuple[Tensor, list[Nest]]:
        check_tensors("inputs", inputs)
        if len(inputs.shape) != 2 or inputs.shape[-1] != self._width:
            raise ValueError(
                f"Expected `inputs` of one step, of shape (batch, {self._width}), the width that "
                f"the stack was built with. Received: inputs of shape {tuple(inputs.shape)}"
            )
        states = iter(check_state(self, states, "states", inputs.shape[0]))
        if training:
            self._check_dropout_masks()
        # The cells keep their own dtype policies.
        inputs = ops.cast(inputs, self.compute_dtype)
        width = self._width - self.shared_width
        output, shared = inputs[..., :width], inputs[..., width:]
        next_states = []
        for k, cell in enumerate(self.cells):
            below = output
            inputs = ops.concatenate([below, shared], axis=-1) if self.shared_width else below
            state = [next(states) for _ in tree.flatten(cell.state_size)]
            state = pack_state(cell, state, cell.compute_dtype)
            inputs = saturate_cast(inputs, cell.compute_dtype)
            output, state = cell(inputs, state, training=training)
            output = saturate_cast(output, self.compute_dtype)
            if k >= self.residual_from:
                output = output + below
            next_states.append([ops.cast(x, self.compute_dtype) for x in tree.flatten(state)])
        next_states.append([output])
        return saturate_cast(output, self.output_dtype), next_states

    def _check_dropout_masks(self):
        """Raise a ValueError if a cell would sample a dropout mask that nothing resets."""
        if has_dropout(self) and not has_fixed_dropout_masks():
            raise ValueError(
                "Expected `cells` without dropout in training outside of an AttentionDecoder, "
                "because keras.layers.RNN does not reset the dropout masks of cells inside another "
                "cell. Received: a ResidualStack whose cells have dropout. Use "
                "keras.layers.Dropout on the inputs instead"
            )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells],
            "residual_from": self.residual_from,
            "shared_width": self.shared_width,
        }

    @classmethod
    def from_config(cls, config: Config) -> "ResidualStack":
        config = copy.deepcopy(config)  # `StackedRNNCells.from_config` empties its config
        config["cells"] = [keras.saving.deserialize_keras_object(cell) for cell in config["cells"]]
        return cls(**config)
