"""A decoder that points to elements of its memory (Vinyals, Fortunato, Jaitly 2015)."""

import copy
from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.batch_axes import broadcast_to_batch
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.attention import (
    IMPLEMENTATIONS,
    Implementation,
    compare,
    prepare_step_keys,
)
from keras_attention.kernels.masked_scan import masked_scan
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layer_arguments import get_initializer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.layers.pointer.check_call import check_inputs, check_shapes
from keras_attention.layers.pointer.decode import decode
from keras_attention.layers.pointer.pointing import (
    find_input_rows,
    gather_rows,
    log_probabilities,
    prepend_begin,
)
from keras_attention.layers.recurrent import cell_adapter
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    check_state,
    fixed_dropout_masks,
    output_size,
    pack_state,
    state_spec,
)
from keras_attention.mask import combine, hide, padding, visited
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.score import AdditiveScore
from keras_attention.tensors import check_not_symbolic
from keras_attention.types import Config, Initializer, Nest, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerDecoder(DenseInputsLayer):
    """A decoder that points to one element of its memory at every step.

    score: additive; mask: padding, visited; normalize: softmax; read: the weights are the output.

        d_i, state_i = cell(x_i, state_{i-1})                     x_i: vector of C_{i-1}
        u[i, j]      = v . tanh(W1 e_j + W2 d_i)                  equation 3
        log p(C_i = j | C_1 .. C_{i-1}) = log softmax_j(u[i, j])

    No context is computed: the vector of the selected element is the next input.

    With `end_slot` the decoder can also point to a learned vector, which ends the sequence. The
    end has index 0 and the elements have indices 1 .. Tin, with or without padding; without
    `end_slot` the elements have indices 0 .. Tin - 1.

    Weights, in this order: `begin` (D,), `end` (Dm,) with `end_slot`, the cell's weights, and those
    of the score: `query_kernel` (W2: cell's width, units), `key_kernel` (W1: Dm, units), `scale`
    (v: units,).

    Args:
        units: Width of the score's hidden layer, and of the LSTM.
        cell: A Keras recurrent cell; None = `LSTMCell(units)`.
        end_slot: Whether the decoder can point to an end.
        kernel_initializer: Initializer of W1 and W2.
        scale_initializer: Initializer of v.
        begin_initializer: Initializer of the begin symbol; None = zeros instead of a weight. Use
            None if training passes no `points`, because the weight would not be trained.
        end_initializer: Initializer of the end vector.
        kernel_regularizer: Regularizer of W1 and W2.
        implementation: "plain", "blockwise" or "auto", as in `AdditiveAttention`.

    Call arguments:
        inputs: With `points`: the targets, int indices `(batch, Tout)`. The cell's input is the
            begin symbol at the first step, and the point of the preceding target at later steps. A
            negative index marks a padded step. Other indices must refer to an element; this is not
            checked, and for an invalid index the result depends on the backend (an error, NaN, the
            last element).
            Without `points`: the inputs of the steps, `(batch, Tout, D)`, shifted right by the
            caller.
        memory: `(batch, Tin, Dm)`, the outputs e of an encoder; a batch of 1 is broadcast.
        points: The vectors of the elements `(batch, Tin, D)`, e.g. coordinates; or None.
        initial_state: The cell's states, nested in any way (an encoder's last states); None = the
            cell's initial state.
        inputs_mask: Bool `(batch, Tout)`; None = the Keras mask of `inputs`. A padded step leaves
            the state unchanged; its log-probabilities and weights are zero.
        memory_mask: Bool `(batch, Tin)`; None = the Keras mask of `memory`. It allows different
            numbers of elements in a batch.
        mask_visited: Whether each element can be pointed to only once, as in `decode`; needs
            `points`. In the paper's training, repeats are not masked.
        return_attention_scores: Whether to return the weights, e^output, too. In a functional
            model, the first call has to request everything that a later call requests, as in
            `AttentionDecoder`.
        return_state: Whether to return the cell's last state too; the same holds for it.
        training: Whether the cell applies its dropout.

    Returns:
        Log-probabilities `(batch, Tout, Tin)`, or `(batch, Tout, 1 + Tin)` with `end_slot`, in
        float32 under any dtype policy (float64 under a float64 policy). They can serve as logits
        of a cross-entropy: with labels of -1 in padded steps,
        `SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)`. Masked elements have
        the most negative float32, in fully masked rows as well. The weights and the state follow
        if requested.

    Raises:
        ValueError: If an argument or a shape is invalid.

    Example:
    >>> points = np.random.default_rng(0).uniform(size=(2, 5, 2)).astype("float32")
    >>> targets = np.array([[3, 1, 2, 5, 4, 0], [2, 1, 0, -1, -1, -1]])
    >>> encoder = keras.layers.LSTM(16, return_sequences=True, return_state=True)
    >>> memory, *state = encoder(points)
    >>> decoder = keras_attention.PointerDecoder(16, end_slot=True)
    >>> decoder(targets, memory, points, initial_state=state).shape
    TensorShape([2, 6, 6])
    >>> decoder.decode(memory, points, initial_state=state, beam_width=3).indices.shape
    TensorShape([2, 6])

    Differs from the paper: the end is a learned vector beside the encoder's outputs, not one of
    its inputs; without repeats `decode` normalizes over the remaining elements, whereas the paper
    restricts the beam to valid tours; the paper initializes all weights from U(-0.08, 0.08). The
    paper's baseline "LSTM + attention" (section 2.2) for a fixed n is

        AttentionDecoder(LSTMCell(units), AdditiveAttention(units), attend="after",
                         input_feeding=True, output_mode="both")

    with a `Dense(n)` on its outputs [d_i; d'_i].

    Reference:
        Pointer Networks, Vinyals, Fortunato, Jaitly (2015), section 2.3,
        https://arxiv.org/abs/1506.03134.
    """

    _tensor_arguments = ("inputs", "memory", "points")

    def __init__(
        self,
        units: int,
        cell: keras.layers.Layer | None = None,
        end_slot: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        scale_initializer: Initializer = "glorot_uniform",
        begin_initializer: Initializer | None = "glorot_uniform",
        end_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        implementation: Implementation = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        self.units = arguments.positive_integer("units", units)
        self.end_slot = arguments.boolean("end_slot", end_slot)
        self.begin_initializer = get_initializer("begin_initializer", begin_initializer)
        self.end_initializer = get_initializer("end_initializer", end_initializer)
        if cell is None:
            cell = keras.layers.LSTMCell(units, dtype=self.dtype_policy, name="cell")
        self.cell = check_cell("cell", cell, "a Keras recurrent cell or None")
        self.score = AdditiveScore(
            units=units,
            kernel_initializer=kernel_initializer,
            scale_initializer=scale_initializer,
            kernel_regularizer=kernel_regularizer,
            dtype=self.dtype_policy,
            name="score",
        )
        self.supports_masking = True

    decode = decode  # the method is defined in decode.py

    def build(
        self, inputs_shape: Shape, memory_shape: Shape, points_shape: Shape | None = None
    ) -> None:
        check_shapes(inputs_shape, memory_shape, points_shape)
        batch, *_, self.input_width = inputs_shape if points_shape is None else points_shape
        self.begin = self.end = None
        if self.begin_initializer is not None:
            self.begin = self.add_weight(
                name="begin",
                shape=(self.input_width,),
                initializer=clone_initializer(self.begin_initializer),
                autocast=False,
            )
        if self.end_slot:
            self.end = self.add_weight(
                name="end",
                shape=(memory_shape[-1],),
                initializer=clone_initializer(self.end_initializer),
                autocast=False,
            )
        if not self.cell.built:  # a cell may be shared with another layer
            self.cell.build((batch, self.input_width))
        self.score.build((batch, None, output_size(self.cell)), tuple(memory_shape))

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        points: Tensor | None = None,
        initial_state: Nest | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        mask_visited: bool = False,
        return_attention_scores: bool = False,
        return_state: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Any, ...]:
        check_inputs(inputs, memory, points, mask_visited)
        inputs_mask = prepare_mask("inputs_mask", inputs_mask, inputs, ndim=2)
        memory_mask = prepare_mask("memory_mask", memory_mask, memory)
        memory, points, memory_mask = broadcast_to_batch(inputs, memory, points, memory_mask)
        prepared = self.prepare(memory, points, memory_mask)
        visible = padding(key_mask=prepared.mask)
        if points is not None:
            inputs_mask = combine(inputs_mask, ops.greater_equal(inputs, 0))
            input_rows = find_input_rows(inputs, inputs_mask, self.end_slot)
            inputs = gather_rows(prepared.values, input_rows)
            if mask_visited:
                visible = combine(visible, visited(input_rows - 1, ops.shape(memory)[1]))
        inputs = hide(ops.cast(inputs, self.compute_dtype), inputs_mask)
        state = self.get_initial_state(ops.shape(inputs)[0], initial_state)

        def cell_step(state, inputs):
            output, state = self._run_cell(inputs, state, training)
            return (output,), state

        with fixed_dropout_masks(self.cell, inputs[:, 0], state, training):
            (queries,), state = masked_scan(
                cell_step, state, [inputs], inputs_mask, [self.compute_dtype]
            )
        logits = self._point(
            self.score.project_query(to_score_precision(queries)), prepared, visible
        )
        outputs = [hide(logits, inputs_mask)]
        if return_attention_scores:
            outputs.append(ops.cast(hide(ops.exp(logits), inputs_mask), self.compute_dtype))
        if return_state:
            outputs.append(state)
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def prepare(
        self, memory: Tensor, points: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> PreparedMemory:
        """Compute everything that does not depend on the step, once per sequence.

        Args:
            memory: `(batch, Tin, Dm)`.
            points: `(batch, Tin, D)`, or None.
            memory_mask: Bool `(batch, Tin)`, or None.

        Returns:
            A `PreparedMemory`. Its keys are the projected keys, preceded by the end's key if there
            is an end. Its values are the table of step inputs, `(batch, 1 + Tin, D)`: the begin
            symbol and then the points; or None without `points`. Its mask is `memory_mask`.
        """
        check_not_symbolic("prepare", memory=memory, points=points, memory_mask=memory_mask)
        memory_mask = prepare_mask("memory_mask", memory_mask, memory)
        memory = hide(ops.cast(memory, self.compute_dtype), memory_mask)
        if self.end_slot:
            end = ops.cast(self.end, self.compute_dtype)
            end = ops.broadcast_to(end, (ops.shape(memory)[0], 1, memory.shape[-1]))
            memory = ops.concatenate([end, memory], axis=1)
        if points is not None:
            points = ops.cast(points, self.compute_dtype)
            points = prepend_begin(self.begin, points, memory_mask)
        keys = self.score.project_key(to_score_precision(memory))
        return PreparedMemory(
            prepare_step_keys(self.score, keys, self.implementation), points, memory_mask
        )

    def get_initial_state(
        self, batch_size: int | Tensor, initial_state: Nest | None = None
    ) -> Nest:
        """Return the cell's states before the first step: `initial_state`, or the cell's own."""
        check_not_symbolic("get_initial_state", batch_size=batch_size, initial_state=initial_state)
        arguments.size("batch_size", batch_size)
        if initial_state is None:
            return cell_adapter.initial_state(self.cell, batch_size)
        batch = batch_size if isinstance(batch_size, int) else None
        dtype = self.cell.compute_dtype
        return pack_state(self.cell, initial_state, dtype, "initial_state", batch)

    def step(
        self, inputs: Tensor, state: Nest, memory: PreparedMemory, visible: Tensor | None = None
    ) -> tuple[Tensor, Nest]:
        """Run one step of a decoding loop, without dropout even inside a model in training.

        Args:
            inputs: `(batch, D)`.
            state: The cell's states.
            memory: The `PreparedMemory` that `prepare` returned.
            visible: Bool `(batch, Tin)`, True = the element can be pointed to; None = the memory's
                mask.

        Returns:
            Log-probabilities `(batch, Tin)`, or `(batch, 1 + Tin)` with `end_slot`, and the next
            state.
        """
        check_not_symbolic("step", inputs=inputs, state=state, memory=memory, visible=visible)
        inputs = ops.cast(inputs, self.compute_dtype)
        output, state = self._run_cell(inputs, state, training=False)
        # The query is projected before an axis of queries is added, because on TensorFlow the
        # product of a rank-3 and a rank-2 tensor has no gradient in an XLA loop of unknown sizes.
        query = ops.expand_dims(self.score.project_query(to_score_precision(output)), 1)
        visible = padding(key_mask=memory.mask if visible is None else visible)
        return ops.squeeze(self._point(query, memory, visible), 1), state

    def _run_cell(self, inputs, state, training):
        output, state = self.cell(inputs, state, training=training)
        return ops.cast(output, self.compute_dtype), pack_state(self.cell, state)

    def _point(self, query, memory, visible):
        """Compute log-probabilities for projected queries; the end is always visible."""
        if self.end_slot and visible is not None:
            visible = ops.concatenate([ops.ones_like(visible[..., :1]), visible], axis=-1)
        scores = compare(self.score, query, memory.keys, self.implementation)
        return log_probabilities(scores, visible)

    def compute_mask(self, inputs: Nest, mask: Nest | None = None) -> Nest | None:
        return mask

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor,
        points: Tensor | None = None,
        initial_state: Nest | None = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        mask_visited: bool = False,
        return_attention_scores: bool = False,
        return_state: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_inputs(inputs, memory, points, mask_visited)
        prepare_mask("inputs_mask", inputs_mask, inputs, ndim=2)
        prepare_mask("memory_mask", memory_mask, memory)
        batch, steps = inputs.shape[:2]
        if initial_state is not None:
            check_state(self.cell, initial_state, "initial_state", batch)
        columns = memory.shape[1]
        if self.end_slot and columns is not None:
            columns += 1
        shape = (batch, steps, columns)
        outputs: list[Any] = [keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))]
        if return_attention_scores:
            outputs.append(keras.KerasTensor(shape, dtype=self.compute_dtype))
        if return_state:
            outputs.append(state_spec(self.cell, batch))
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def get_config(self) -> Config:
        score = self.score.get_config()
        kernels = ("kernel_initializer", "scale_initializer", "kernel_regularizer")
        return {
            **super().get_config(),
            "units": self.units,
            "cell": keras.saving.serialize_keras_object(self.cell),
            "end_slot": self.end_slot,
            "begin_initializer": keras.initializers.serialize(self.begin_initializer),
            "end_initializer": keras.initializers.serialize(self.end_initializer),
            **{name: score[name] for name in kernels},
            "implementation": self.implementation,
        }

    @classmethod
    def from_config(cls, config: Config) -> "PointerDecoder":
        config = copy.deepcopy(config)  # `StackedRNNCells.from_config` empties its config
        config["cell"] = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**config)
