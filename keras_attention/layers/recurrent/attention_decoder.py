"""A recurrent decoder that attends at every step (Bahdanau et al. 2015, Luong et al. 2015)."""

import copy
from typing import Any, Literal

import keras
from keras import ops, tree

from keras_attention import arguments
from keras_attention.batch_axes import broadcast_to_batch
from keras_attention.kernels.masked_scan import masked_scan
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.layers.query_value.base import QueryValueAttention
from keras_attention.layers.query_value.sequential_attention import SequentialAttention
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    fixed_dropout_masks,
    hidden_size,
    hidden_state,
    output_query_size,
    output_size,
    pack_state,
    select_query,
    state_spec,
)
from keras_attention.layers.recurrent.check_call import check_inputs, check_shapes
from keras_attention.layers.recurrent.decoder_state import (
    DecoderState,
    initial_decoder_state,
    split_state,
)
from keras_attention.mask import hide, padding
from keras_attention.precision import score_dtype
from keras_attention.tensors import check_not_symbolic, check_tensors, is_compatible
from keras_attention.types import Config, Nest, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionDecoder(DenseInputsLayer):
    """A recurrent decoder of the target that attends to the source at every step.

    score: that of `attention`; mask: padding; normalize: that of `attention`; read: that of
    `attention`, at every step of a recurrent cell.

    attend="before" (Bahdanau): the query is the cell's previous state (its first state, e.g. h of
    an LSTM), and the context is an input of the cell.

        context_t        = attention(query=state_{t-1}, memory)
        output_t, state_t = cell([inputs_t; context_t], state_{t-1})

    attend="after" (Luong): the query is the new output; with input feeding the attention's output
    is an input of the next step.

        output_t, state_t = cell([inputs_t; attended_{t-1}], state_{t-1})
        attended_t       = attention(query=output_t, memory)

    The memory's keys are projected once per sequence. Without input feeding, "after" runs the
    cell alone over time and then attends with the queries of all steps at once, unless the
    attention's weights depend on those of the previous step (`SequentialAttention`).

    Args:
        cell: A Keras recurrent cell: `GRUCell`, `LSTMCell`, `StackedRNNCells`, or your own. With
            attend="before", the query of a stack is the state of its top cell. The dropout masks of
            the gates are sampled once per batch, as in `RNN`.
        attention: A query/value layer of this package, e.g. `AdditiveAttention()`. The alignments
            of several heads are averaged.
        attend: "before" or "after".
        input_feeding: Whether the attention's output is appended to the next step's input; only
            with attend="after" (attend="before" always passes the context to the cell).
        output_mode: Output of a step: "cell" (the cell's output), "attention" (the attention
            layer's output: a context, or Luong's attentional vector) or "both" ([cell; attention],
            the input of Bahdanau's readout and of Luong's h~). None: "cell" for attend="before",
            "attention" for attend="after".

    Call arguments:
        inputs: Target inputs `(batch, Tdec, D)`, shifted right by the caller.
        memory: `(batch, Tenc, Dm)`, e.g. an encoder's outputs; a batch of 1 is broadcast.
        initial_state: The cell's states, nested in any way (an encoder's last states), or a
            `DecoderState`; None = the cell's own initial state.
        inputs_mask: Bool `(batch, Tdec)`; by default the Keras mask of `inputs`. A padded step does
            not change the state, and its output and alignment are zero. The outputs have the
            Keras mask of the inputs; a mask that is passed explicitly has to be passed explicitly
            to the next layer too.
        memory_mask: Bool `(batch, Tenc)`; by default the Keras mask of `memory`. For a gradient
            penalty under XLA on TensorFlow, pass it into the compiled function, or compute it
            there from an input: XLA cannot differentiate a loop with a constant mask twice.
        return_attention_scores: Whether to return the alignments `(batch, Tdec, Tenc)` too. In a
            functional model, Keras takes the number of outputs from the layer's first call, so that
            the first call has to request everything that a later call requests, e.g. in a model of
            one decoding step. `keras_attention.export.attention_of` gives the weights of a trained
            model.
        return_state: Whether to return the final `DecoderState` too; the same holds for it.
        training: Whether to apply dropout.

    Returns:
        Outputs `(batch, Tdec, width)`, then, if requested, the alignments and the state.

    Raises:
        ValueError: If an argument or a shape is not as described.

    Example:
    >>> decoder = keras_attention.AttentionDecoder(
    ...     keras.layers.GRUCell(16), keras_attention.AdditiveAttention(units=8))
    >>> target, source = np.ones((2, 3, 5), "float32"), np.ones((2, 7, 6), "float32")
    >>> outputs, alignments = decoder(target, source, return_attention_scores=True)
    >>> outputs.shape, alignments.shape
    (TensorShape([2, 3, 16]), TensorShape([2, 3, 7]))

    Differs from the papers: the cell is Keras's (its GRU swaps the roles of z and 1 - z), the query
    of a stack with attend="before" is its top cell's state, and the readout is not included. For
    models with the `AttentionWrapper` of TensorFlow Addons see docs/from_tensorflow_addons.md.

    Reference:
        Bahdanau, Cho, Bengio (2015), appendix A.2.2, https://arxiv.org/abs/1409.0473; Luong, Pham,
        Manning (2015), sections 3 and 3.3, https://arxiv.org/abs/1508.04025.
    """

    _tensor_arguments = ("inputs", "memory")

    def __init__(
        self,
        cell: keras.layers.Layer,
        attention: QueryValueAttention,
        attend: Literal["before", "after"] = "before",
        input_feeding: bool = False,
        output_mode: Literal["cell", "attention", "both"] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(attention, QueryValueAttention):
            raise ValueError(
                "Expected `attention` to be a query/value layer of keras_attention. "
                f"Received: attention={attention!r}"
            )
        self.cell = check_cell("cell", cell)
        self.attention = attention
        self.attend = arguments.one_of("attend", attend, ("before", "after"))
        self.input_feeding = arguments.boolean("input_feeding", input_feeding)
        self.output_mode = arguments.one_of(
            "output_mode", output_mode, (None, "cell", "attention", "both")
        )
        if attend == "before" and input_feeding:
            raise ValueError(
                "Expected `input_feeding` with attend='after' only: attend='before' always passes "
                "the context to the cell. Received: attend='before', input_feeding=True"
            )
        self.supports_masking = True

    def build(self, inputs_shape: Any, memory_shape: Any) -> None:
        check_shapes(inputs_shape, memory_shape)
        batch = inputs_shape[0]
        if not self.attention.built:  # the layer may be shared
            self.attention.build([(batch, self._query_size()), tuple(memory_shape)])
        self._attention_width = self._compute_attention_width(memory_shape)
        has_attention_input = self.attend == "before" or self.input_feeding
        attention_width = self._attention_width if has_attention_input else 0
        self._cell_width = inputs_shape[-1] + attention_width
        if not self.cell.built:
            self.cell.build((batch, self._cell_width))

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        initial_state: Nest = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_inputs(inputs, memory)
        inputs_mask = prepare_mask("inputs_mask", inputs_mask, inputs)
        memory_mask = prepare_mask("memory_mask", memory_mask, memory)
        memory, memory_mask = broadcast_to_batch(inputs, memory, memory_mask)
        inputs = hide(ops.cast(inputs, self.compute_dtype), inputs_mask)
        memory = self.prepare(memory, memory_mask)
        batch_size = ops.shape(inputs)[0]
        state = self.get_initial_state(batch_size, initial_state, memory)
        noise = self.attention.perturbation.sample(inputs, memory) if training else None
        has_loss = bool(training) and self.attention.perturbation.has_loss
        weights_dtype = score_dtype(self.compute_dtype)

        def step(state, inputs, noise=None):
            output, weights, state = self.step(inputs, state, memory, noise, training)
            return (output, ops.cast(weights, weights_dtype)), state

        def cell_step(state, inputs):
            output, cell_state = self._run_cell([inputs], state, training)
            next_state = DecoderState(cell_state, (), (), state.position + 1)
            return (ops.cast(output, self.compute_dtype), state.position), next_state

        zeros = ops.zeros((batch_size, self._cell_width), self.compute_dtype)
        with fixed_dropout_masks(self.cell, zeros, state.cell, training):
            if self.attend == "after" and not self.input_feeding and not self._has_carry:
                (outputs, positions), state = masked_scan(
                    cell_step, state, [inputs], inputs_mask, [self.compute_dtype, "int32"]
                )
                queries = select_query(self.cell, outputs)
                attended, weights = self.attention.attend(
                    queries, memory, noise, positions, return_attention_scores or has_loss
                )
                outputs = hide(self._select_output(outputs, attended), inputs_mask)
                if weights is not None:
                    weights = hide(self.attention.average_heads(weights), inputs_mask)
            else:
                dtypes = [self.compute_dtype, weights_dtype]
                (outputs, weights), state = masked_scan(
                    step, state, [inputs, noise], inputs_mask, dtypes
                )
        if has_loss:
            self.attention.add_perturbation_loss(weights, noise, inputs_mask)
        alignments = [ops.cast(weights, self.compute_dtype)] if return_attention_scores else []
        returned = [outputs, *alignments, *([state] if return_state else [])]
        return tuple(returned) if len(returned) > 1 else outputs

    def prepare(self, memory: Tensor, memory_mask: Tensor | None = None) -> PreparedMemory:
        """Project the memory's keys, once per sequence.

        Args:
            memory: `(batch, Tenc, Dm)`.
            memory_mask: Bool `(batch, Tenc)` or None.

        Returns:
            A `PreparedMemory` for `step`, whose tensors have the batch axis first.
        """
        check_not_symbolic("prepare", memory=memory, memory_mask=memory_mask)
        mask = padding(key_mask=prepare_mask("memory_mask", memory_mask, memory))
        prepared = self.attention.prepare(memory, mask=mask, for_steps=True)
        if prepared.mask is None:
            return prepared
        rows = (ops.shape(memory)[0], 1, ops.shape(memory)[1])
        return prepared._replace(mask=ops.broadcast_to(prepared.mask, rows))

    def get_initial_state(
        self,
        batch_size: int | Tensor,
        initial_state: Nest = None,
        memory: PreparedMemory | None = None,
    ) -> DecoderState:
        """Return the `DecoderState` before the first step.

        Args:
            batch_size: An int or a scalar tensor.
            initial_state: The cell's states, nested in any way, or a `DecoderState`, or the list
                into which saving converts one; None = the cell's own initial state.
            memory: The `PreparedMemory` that `prepare` returned. It is needed only if the
                attention's weights depend on those of the previous step, as in
                `LocationAwareAttention`.

        Raises:
            ValueError: If the states do not match the cell's, or the memory is missing.
        """
        check_not_symbolic("get_initial_state", batch_size=batch_size, initial_state=initial_state)
        arguments.size("batch_size", batch_size)
        keys = None if memory is None else memory.values.shape[-2]

        def get_carry():
            if memory is None:
                raise ValueError(
                    "Expected `memory`, as `prepare` returns it, because the weights of "
                    f"{type(self.attention).__name__} depend on those of the previous step. "
                    "Received: memory=None"
                )
            return self.attention.initial_carry(memory)

        return initial_decoder_state(
            self.cell,
            batch_size,
            initial_state,
            self._fed_size,
            self.compute_dtype,
            self.attention.carry_spec(None, keys),
            get_carry,
        )

    def extend(
        self,
        memory: PreparedMemory,
        state: DecoderState,
        added: Tensor,
        added_mask: Tensor | None = None,
    ) -> tuple[PreparedMemory, DecoderState]:
        """Append the next part of a stream to a prepared memory, between two steps.

        With `MonotonicAttention`, whose weights in inference depend only on keys up to the chosen
        one, a decoder can emit outputs while its source still arrives: it runs a step, discards the
        result if the alignment is zero, which means that no key is chosen yet, and waits for the
        next part.

        Args:
            memory: The `PreparedMemory` that `prepare` or `extend` returned.
            state: The `DecoderState` before the next step.
            added: `(batch, n, Dm)`, the values that follow those of the memory.
            added_mask: Bool `(batch, n)` or None.

        Returns:
            The `PreparedMemory` of all values, and the `DecoderState` that belongs to it. With
            `LocationAwareAttention`, the steps so far keep their weights over fewer keys.

        Raises:
            ValueError: If the attention is not a `SequentialAttention`, whose steps go on from one
                another: prepare the whole memory anew instead. If `added` is not `(batch, n, Dm)`.

        Example:
        >>> decoder = keras_attention.AttentionDecoder(
        ...     keras.layers.GRUCell(4), keras_attention.MonotonicAttention(units=4))
        >>> first, second = np.ones((1, 5, 3), "float32"), np.ones((1, 2, 3), "float32")
        >>> _ = decoder(np.ones((1, 1, 6), "float32"), first)  # builds the layer
        >>> memory = decoder.prepare(first)
        >>> state = decoder.get_initial_state(1, memory=memory)
        >>> memory, state = decoder.extend(memory, state, second)
        >>> memory.values.shape, state.carry.shape
        (TensorShape([1, 7, 3]), TensorShape([1, 7]))
        """
        check_not_symbolic("extend", memory=memory.values, added=added, added_mask=added_mask)
        if not isinstance(self.attention, SequentialAttention):
            raise ValueError(
                "Expected an attention whose queries are evaluated in order, such as "
                "MonotonicAttention; prepare the whole memory anew instead. "
                f"Received: {type(self.attention).__name__}"
            )
        check_tensors("added", added)
        batch, _, width = memory.values.shape
        if not is_compatible(added.shape, (batch, None, width)):
            raise ValueError(
                f"Expected `added` of shape {(batch, None, width)}, values that follow those of "
                f"the memory. Received: added of shape {tuple(added.shape)}"
            )
        mask = padding(key_mask=prepare_mask("added_mask", added_mask, added))
        memory, carry = self.attention.extend(memory, state.carry, added, mask)
        return memory, state._replace(carry=carry)

    @property
    def _has_carry(self):
        return bool(tree.flatten(self.attention.carry_spec(None, None)))

    @property
    def _fed_size(self):
        return self._attention_width if self.input_feeding else 0

    def step(
        self,
        inputs: Tensor,
        state: DecoderState,
        memory: PreparedMemory,
        noise: Nest = None,
        training: bool | None = False,
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """Run one step, for decoding loops.

        Args:
            inputs: `(batch, D)`.
            state: A `DecoderState`.
            memory: The `PreparedMemory` that `prepare` returned.
            noise: The noise of this step, a nest of tensors `(batch, n)`, or None. In a training
                loop of your own, call `decoder.attention.perturbation.sample(queries, memory)`
                once, with a tensor `(batch, Tdec, any)`, and pass each step its part. Without it,
                the attention works as in inference: there is no dropout, and hard and monotonic
                choices have no gradient.
            training: Whether the cell applies dropout. Only `call`, which samples the dropout masks
                before its loop, passes True. Leave it False in your own loops, even in training.

        Returns:
            Output `(batch, width)`, alignment `(batch, Tenc)`, float32 or float64, and the next
            `DecoderState`.
        """
        check_not_symbolic("step", inputs=inputs, state=state, memory=memory)
        if self.attend == "before":
            query = hidden_state(self.cell, state.cell)
            attended, weights, carry = self.attention.attend_step(
                query, memory, state.carry, noise, state.position
            )
            output, cell_state = self._run_cell([inputs, attended], state, training)
        else:
            fed = [state.attention] if self.input_feeding else []
            output, cell_state = self._run_cell([inputs, *fed], state, training)
            query = select_query(self.cell, output)
            attended, weights, carry = self.attention.attend_step(
                query, memory, state.carry, noise, state.position
            )
        next_fed = ops.cast(attended, self.compute_dtype) if self.input_feeding else ()
        next_state = DecoderState(cell_state, next_fed, carry, state.position + 1)
        output = self._select_output(output, attended)
        return output, self.attention.average_heads(weights), next_state

    def _run_cell(self, inputs, state, training):
        inputs = ops.concatenate([ops.cast(x, self.compute_dtype) for x in inputs], axis=-1)
        output, cell_state = self.cell(inputs, state.cell, training=training)
        return output, pack_state(self.cell, cell_state)

    def _select_output(self, output, attended):
        mode = self.output_mode or ("cell" if self.attend == "before" else "attention")
        output, attended = (ops.cast(x, self.compute_dtype) for x in (output, attended))
        if mode == "both":
            return ops.concatenate([output, attended], axis=-1)
        return output if mode == "cell" else attended

    def _query_size(self):
        is_before = self.attend == "before"
        return hidden_size(self.cell) if is_before else output_query_size(self.cell)

    def _compute_attention_width(self, memory_shape):
        query_shape = (None, self._query_size())
        return self.attention.compute_output_shape([query_shape, tuple(memory_shape)])[-1]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask

    def compute_output_spec(
        self,
        inputs: Tensor,
        memory: Tensor,
        initial_state: Nest = None,
        inputs_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        return_state: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_inputs(inputs, memory)
        batch, steps, _ = inputs.shape
        carry = self.attention.carry_spec(batch, memory.shape[1])
        split_state(self.cell, initial_state, self._fed_size, batch, carry)
        prepare_mask("inputs_mask", inputs_mask, inputs)
        prepare_mask("memory_mask", memory_mask, memory)
        attention_width = self._compute_attention_width(memory.shape)

        def spec(*shape):
            return keras.KerasTensor((batch, *shape), dtype=self.compute_dtype)

        width = self._select_output(spec(output_size(self.cell)), spec(attention_width)).shape[-1]
        returned = [spec(steps, width)]
        if return_attention_scores:
            returned.append(spec(steps, memory.shape[1]))
        if return_state:
            fed = spec(attention_width) if self.input_feeding else ()
            position = keras.KerasTensor((batch,), dtype="int32")
            returned.append(DecoderState(state_spec(self.cell, batch), fed, carry, position))
        return tuple(returned) if len(returned) > 1 else returned[0]

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: Config) -> "AttentionDecoder":
        config = copy.deepcopy(config)  # `StackedRNNCells.from_config` empties its config
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
