"""A decoder that attends to its own past and to a source, and reads the source's cells too."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.batch_axes import broadcast_to_batch
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.masked_scan import masked_scan
from keras_attention.kernels.matmul import project
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.layers.recurrent.cell_adapter import initial_state
from keras_attention.layers.recurrent.check_call import check_inputs, check_shapes
from keras_attention.layers.recurrent.lstmn_cell import LSTMNCell
from keras_attention.layers.recurrent.lstmn_state import LSTMNState, unpack
from keras_attention.mask import hide, padding
from keras_attention.normalize import softmax
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.score.additive import AdditiveScore
from keras_attention.tensors import check_not_symbolic, check_tensors, is_compatible
from keras_attention.types import Config, Initializer, Regularizer, Tensor


class DeepFusionState(NamedTuple):
    """The state that a `DeepFusionDecoder` passes from step to step.

    cell: the `LSTMNState` of its cell; context: the last context, `(batch, Dm)`.
    """

    cell: LSTMNState
    context: Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class DeepFusionDecoder(DenseInputsLayer):
    """A decoder that attends to its own past and to a source, whose cells enter its own cells.

    score: additive over its own past, and over the memory; mask: only the past; padding;
    normalize: softmax; read: weighted sum of the states and of the cells, gated into the cell.

        b_tj       = scale . tanh([x_t; g_{t-1}] Wq + memory_j Wk)             (11)
        p_t        = softmax(b_t)                                              (12)
        [g_t; a_t] = sum_j p_tj [memory_j; memory_cells_j]                     (13)
        r_t        = sigmoid([x_t; g_t] Wr + br)                               (14)
        c_t        = r_t * a_t + the cell of `LSTMNCell` for x_t               (15)

    An encoder of `keras.layers.RNN(LSTMNCell(..., return_cells=True))` gives the memory and its
    cells. The shallow fusion of the paper is an `AttentionDecoder` with an `LSTMNCell`. A call
    with more than `max_length` steps is refused if their number is known; otherwise, and in `step`,
    later steps are not kept. All computations have float32 (float64 under a float64 policy).

    Weights, in this order: `gate_kernel` (D + Dm, units) and `gate_bias` (units,); those of
    `LSTMNCell`; `query_kernel` (D + Dm, attention_units), `key_kernel` (Dm, attention_units) and
    `scale` (attention_units,).

    Args:
        units: Width of the hidden state, and of the memory's cells.
        max_length: Number of its own steps that the decoder can keep.
        attention_units: Width of the hidden layers of both scores; None = units.
        kernel_initializer: Initializer of all kernels and of the scores' scales.
        kernel_regularizer: Regularizer of all kernels.

    Call arguments:
        inputs: Target inputs `(batch, Tdec, D)`, shifted right by the caller.
        memory: `(batch, Tenc, Dm)`, e.g. an encoder's hidden states; a batch of 1 is broadcast.
        memory_cells: `(batch, Tenc, units)`, the encoder's cells.
        inputs_mask: Bool `(batch, Tdec)`; by default the Keras mask of `inputs`. A padded step does
            not change the state, and its output and alignment are zero.
        memory_mask: Bool `(batch, Tenc)`; by default the Keras mask of `memory`.
        return_attention_scores: Whether to return the alignments `(batch, Tdec, Tenc)` too.

    Returns:
        Hidden states `(batch, Tdec, units)`, then, if requested, the alignments.

    Raises:
        ValueError: If an argument or a shape is not as described.

    Example:
    >>> decoder = keras_attention.DeepFusionDecoder(8, max_length=20)
    >>> target, source = np.ones((2, 3, 5), "float32"), np.ones((2, 7, 6), "float32")
    >>> decoder(target, source, np.ones((2, 7, 8), "float32")).shape
    TensorShape([2, 3, 8])

    Differs from the paper: the gate r_t has a bias, and the state before the first step is zero.

    Reference:
        Long Short-Term Memory-Networks for Machine Reading, Cheng, Dong, Lapata (2016), section 4,
        https://arxiv.org/abs/1601.06733.
    """

    _tensor_arguments = ("inputs", "memory", "memory_cells")

    def __init__(
        self,
        units: int,
        max_length: int,
        attention_units: int | None = None,
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
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        dtype = score_dtype(self.compute_dtype)
        self.cell = LSTMNCell(
            self.units,
            self.max_length,
            self.attention_units,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=dtype,
            name="cell",
        )
        self.score = AdditiveScore(
            self.attention_units or self.units,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            scale_initializer=clone_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=dtype,
            name="score",
        )
        self.supports_masking = True

    def build(self, inputs_shape: Any, memory_shape: Any, memory_cells_shape: Any) -> None:
        self._check_shapes(inputs_shape, memory_shape, memory_cells_shape)
        batch, width, memory_width = inputs_shape[0], inputs_shape[-1], memory_shape[-1]
        self._memory_width = memory_width
        self.gate_kernel = self.add_weight(
            name="gate_kernel",
            shape=(width + memory_width, self.units),
            initializer=clone_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.gate_bias = self.add_weight(
            name="gate_bias", shape=(self.units,), initializer="zeros", autocast=False
        )
        self.cell.build((batch, width))
        self.score.build((batch, 1, width + memory_width), tuple(memory_shape))

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_cells: Tensor,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        self._check_inputs(inputs, memory, memory_cells)
        inputs_mask = prepare_mask("inputs_mask", inputs_mask, inputs)
        memory_mask = prepare_mask("memory_mask", memory_mask, memory)
        memory, memory_cells, memory_mask = broadcast_to_batch(
            inputs, memory, memory_cells, memory_mask
        )
        inputs = hide(ops.cast(inputs, self.cell.compute_dtype), inputs_mask)
        memory = self.prepare(memory, memory_cells, memory_mask)
        state = self.get_initial_state(ops.shape(inputs)[0])

        def step(state, inputs):
            output, weights, state = self.step(inputs, state, memory)
            return (output, weights), state

        dtypes = [self.compute_dtype, self.cell.compute_dtype]
        (outputs, weights), _ = masked_scan(step, state, [inputs], inputs_mask, dtypes)
        if not return_attention_scores:
            return outputs
        return outputs, ops.cast(weights, self.compute_dtype)

    def prepare(
        self, memory: Tensor, memory_cells: Tensor, memory_mask: Tensor | None = None
    ) -> PreparedMemory:
        """Project the memory's keys, once per sequence.

        Args:
            memory: `(batch, Tenc, Dm)`.
            memory_cells: `(batch, Tenc, units)`.
            memory_mask: Bool `(batch, Tenc)` or None.

        Returns:
            A `PreparedMemory` for `step`.
        """
        check_not_symbolic("prepare", memory=memory, memory_cells=memory_cells)
        mask = prepare_mask("memory_mask", memory_mask, memory)
        memory, memory_cells = (
            hide(to_score_precision(ops.cast(x, self.cell.compute_dtype)), mask)
            for x in (memory, memory_cells)
        )
        values = ops.concatenate([memory, memory_cells], axis=-1)
        return PreparedMemory(self.score.project_key(memory), values, padding(key_mask=mask))

    def get_initial_state(self, batch_size: int | Tensor) -> DeepFusionState:
        """Return the `DeepFusionState` before the first step, all zeros.

        Args:
            batch_size: An int or a scalar tensor.
        """
        arguments.size("batch_size", batch_size)
        if not self.built:
            raise ValueError(
                "Expected a built decoder, since the width of its state depends on its memory: "
                f"call it, or `build`, first. Received: {self.name}, not built"
            )
        cell = unpack(initial_state(self.cell, batch_size), self.max_length)
        context = ops.zeros((batch_size, self._memory_width), self.cell.compute_dtype)
        return DeepFusionState(cell, context)

    def step(
        self, inputs: Tensor, state: DeepFusionState, memory: PreparedMemory
    ) -> tuple[Tensor, Tensor, DeepFusionState]:
        """Run one step, for decoding loops.

        Args:
            inputs: `(batch, D)`.
            state: A `DeepFusionState`.
            memory: The `PreparedMemory` that `prepare` returned.

        Returns:
            Output `(batch, units)`, alignment `(batch, Tenc)`, and the next `DeepFusionState`.
        """
        check_not_symbolic("step", inputs=inputs, state=state, memory=memory)
        inputs = to_score_precision(ops.cast(inputs, self.cell.compute_dtype))
        query = self.score.project_query(ops.concatenate([inputs, state.context], axis=-1))
        weights = softmax(self.score.compare(query[:, None], memory.keys), memory.mask)
        read = weighted_sum(weights, memory.values)[:, 0]
        context, memory_cell = read[:, : -self.units], read[:, -self.units :]
        gate = project(
            ops.concatenate([inputs, context], axis=-1), self.gate_kernel, self.gate_bias
        )
        cell = self.cell.advance(inputs, state.cell, ops.sigmoid(gate) * memory_cell)
        output = ops.cast(cell.output, self.compute_dtype)
        return output, weights[:, 0], DeepFusionState(cell, context)

    def _check_inputs(self, inputs, memory, memory_cells):
        check_inputs(inputs, memory)
        check_tensors("memory_cells", memory_cells)
        self._check_shapes(inputs.shape, memory.shape, memory_cells.shape)

    def _check_shapes(self, inputs_shape, memory_shape, memory_cells_shape):
        check_shapes(inputs_shape, memory_shape)
        if inputs_shape[1] is not None and inputs_shape[1] > self.max_length:
            raise ValueError(
                f"Expected `inputs` of at most max_length={self.max_length} steps, which the "
                f"decoder can keep. Received: inputs {tuple(inputs_shape)}"
            )
        expected = (*memory_shape[:2], self.units)
        if not is_compatible(memory_cells_shape, expected):
            raise ValueError(
                f"Expected `memory_cells` of shape {expected}: one cell of `units` numbers for "
                f"each key of the memory. Received: memory_cells {tuple(memory_cells_shape)}"
            )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_cells: Tensor,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
    ) -> Any:
        self._check_inputs(inputs, memory, memory_cells)
        prepare_mask("inputs_mask", inputs_mask, inputs)
        prepare_mask("memory_mask", memory_mask, memory)
        steps = inputs.shape[:2]
        output = keras.KerasTensor((*steps, self.units), self.compute_dtype)
        if not return_attention_scores:
            return output
        return output, keras.KerasTensor((*steps, memory.shape[1]), self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "max_length": self.max_length,
            "attention_units": self.attention_units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
