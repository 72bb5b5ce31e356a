"""A recurrent cell that attends at every step: the decoder of Bahdanau 2015 and of Luong 2015."""

import copy

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.layers.call_arguments.masks import check_mask
from keras_attention.layers.query_value.base import QueryValueAttention, for_loop
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    fixed_dropout_masks,
    hidden_state,
    output_size,
    pack_state,
    state_spec,
)
from keras_attention.layers.recurrent.decoder_state import DecoderState, first_decoder_state
from keras_attention.layers.recurrent.masked_scan import over_time
from keras_attention.mask import hide, padding
from keras_attention.precision import score_dtype


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionDecoder(BaseLayer):
    """Runs a recurrent cell over the target while it reads the source at every step.

    score: its attention's; mask: padding; normalize: its attention's; read: its attention's, at
    every step of a recurrent cell.

    attend="before" (Bahdanau): the previous state asks, and the cell takes in what is read.

        context_t        = attention(query=state_{t-1}, memory)
        output_t, state_t = cell([inputs_t; context_t], state_{t-1})

    attend="after" (Luong): the new state asks; with input feeding the next step gets the answer.

        output_t, state_t = cell([inputs_t; attended_{t-1}], state_{t-1})
        attended_t       = attention(query=output_t, memory)

    The memory's keys are projected once per sequence. Without input feeding, "after" runs the
    cell alone over time and then attends from all steps at once.

    Args:
        cell: A Keras recurrent cell: `GRUCell`, `LSTMCell`, `StackedRNNCells`, your own. Of a
            stack the top cell's state asks. Gates' dropout is drawn once per batch as in `RNN`.
        attention: A query/value layer of this package, e.g. `AdditiveAttention()`. Of several
            heads the alignments are the mean.
        attend: "before" or "after".
        input_feeding: Whether the next step's input gets what this step read appended; with
            attend="after" only (attend="before" always gives the cell what it reads).
        output_mode: What a step puts out: "cell" (the cell's output), "attention" (what the
            attention layer gives: a context, or Luong's attentional vector) or "both" ([cell;
            attention], what Bahdanau's readout and Luong's h~ are made of). None: "cell" for
            attend="before", "attention" for attend="after".

    Call arguments:
        inputs: Target inputs `(batch, Tdec, D)`, shifted right by the caller.
        memory: `(batch, Tenc, Dm)`, e.g. an encoder's outputs.
        initial_state: The cell's states, nested in any way (an encoder's last states), or a
            `DecoderState`; None lets the cell choose.
        inputs_mask: Bool `(batch, Tdec)`, taken from `inputs`' Keras mask where not given. A
            padded step leaves the state as it is, and its output and alignment are zero. The
            outputs carry the inputs' Keras mask on; one given by hand is passed on by hand.
        memory_mask: Bool `(batch, Tenc)`, taken from `memory`'s Keras mask where not given.
        return_attention_scores: Whether to return the alignments `(batch, Tdec, Tenc)` too.
        return_state: Whether to return the final `DecoderState` too.
        training: Whether to apply dropout.

    Returns:
        Outputs `(batch, Tdec, width)`, then the alignments and the state if asked for.

    Raises:
        ValueError: If an argument or a shape is not one of these.

    Example:
    >>> decoder = keras_attention.AttentionDecoder(
    ...     keras.layers.GRUCell(16), keras_attention.AdditiveAttention(units=8))
    >>> target, source = np.ones((2, 3, 5), "float32"), np.ones((2, 7, 6), "float32")
    >>> outputs, alignments = decoder(target, source, return_attention_scores=True)
    >>> outputs.shape, alignments.shape
    (TensorShape([2, 3, 16]), TensorShape([2, 3, 7]))

    Differs from the papers: the cell is Keras's (its GRU swaps the roles of z and 1 - z), a stack
    in "before" asks with its top state, and the readout is yours to add.

    Reference:
        Bahdanau, Cho, Bengio (2015), appendix A.2.2, https://arxiv.org/abs/1409.0473; Luong, Pham,
        Manning (2015), sections 3 and 3.3, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self, cell, attention, attend="before", input_feeding=False, output_mode=None, **kwargs
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
                "Expected `input_feeding` with attend='after' only: attend='before' already gives "
                "the cell what it reads. Received: attend='before', input_feeding=True"
            )
        self.supports_masking = True

    def build(self, inputs_shape, memory_shape):
        self._check(inputs_shape, memory_shape)
        batch = inputs_shape[0]
        if not self.attention.built:  # it may be shared with another layer
            self.attention.build([(batch, output_size(self.cell)), tuple(memory_shape)])
        self._read_size = self._width_read(memory_shape)
        is_fed = self.attend == "before" or self.input_feeding
        self._cell_width = inputs_shape[-1] + (self._read_size if is_fed else 0)
        if not self.cell.built:
            self.cell.build((batch, self._cell_width))

    def call(
        self,
        inputs,
        memory,
        initial_state=None,
        inputs_mask=None,
        memory_mask=None,
        return_attention_scores=False,
        return_state=False,
        training=None,
    ):
        self._check(inputs.shape, memory.shape)
        inputs_mask, memory_mask = (
            None if mask is None else ops.cast(mask, "bool") for mask in (inputs_mask, memory_mask)
        )
        check_mask("inputs_mask", inputs_mask, inputs.shape[:-1])
        check_mask("memory_mask", memory_mask, memory.shape[:-1])
        inputs = hide(ops.cast(inputs, self.compute_dtype), inputs_mask)
        memory = self.prepare(memory, memory_mask)
        batch_size = ops.shape(inputs)[0]
        state = self.get_initial_state(batch_size, initial_state)
        noise = self.attention.sample_noise(inputs, memory) if training else None
        weights_dtype = score_dtype(self.compute_dtype)

        def step(state, inputs, noise=None):
            output, weights, state = self.step(inputs, state, memory, noise, training)
            return (output, ops.cast(weights, weights_dtype)), state

        def cell_step(state, inputs):
            output, cell_state = self._run_cell([inputs], state, training)
            following = DecoderState(cell_state, (), state.position + 1)
            return (ops.cast(output, self.compute_dtype), state.position), following

        anything = ops.zeros((batch_size, self._cell_width), self.compute_dtype)
        with fixed_dropout_masks(self.cell, anything, state.cell, training):
            if self.attend == "after" and not self.input_feeding:
                (outputs, positions), state = over_time(
                    cell_step, state, [inputs], inputs_mask, [self.compute_dtype, "int32"]
                )
                read, weights = self.attention.attend(outputs, memory, noise, positions)
                weights = self.attention.average_heads(weights)
                outputs = hide(self._put_out(outputs, read), inputs_mask)
                weights = hide(weights, inputs_mask)
            else:
                dtypes = [self.compute_dtype, weights_dtype]
                (outputs, weights), state = over_time(
                    step, state, [inputs, noise], inputs_mask, dtypes
                )
        if training:
            self.attention.add_sampling_loss(weights, noise, inputs_mask)
        alignments = [ops.cast(weights, self.compute_dtype)] if return_attention_scores else []
        returned = [outputs, *alignments, *([state] if return_state else [])]
        return tuple(returned) if len(returned) > 1 else outputs

    def prepare(self, memory, memory_mask=None):
        """Projects the memory's keys, once per sequence.

        Args:
            memory: `(batch, Tenc, Dm)`.
            memory_mask: Bool `(batch, Tenc)` or None.

        Returns:
            What `step` reads: a `Memory`, whose parts have a leading batch axis.
        """
        prepared = self.attention.prepare(memory, mask=padding(key_mask=memory_mask))
        prepared = for_loop(prepared, self.attention.score)
        if prepared.mask is None:
            return prepared
        rows = (ops.shape(memory)[0], 1, ops.shape(memory)[1])
        return prepared._replace(mask=ops.broadcast_to(prepared.mask, rows))

    def get_initial_state(self, batch_size, initial_state=None):
        """The `DecoderState` before the first step.

        Args:
            batch_size: An int or a scalar tensor.
            initial_state: The cell's states, nested in any way, or a `DecoderState`, or the list
                that saving makes of one; None lets the cell choose.

        Returns:
            A `DecoderState`.
        """
        fed_size = self._read_size if self.input_feeding else 0
        return first_decoder_state(
            self.cell, batch_size, initial_state, fed_size, self.compute_dtype
        )

    def step(self, inputs, state, memory, noise=None, training=False):
        """One step, for decoding loops.

        Args:
            inputs: `(batch, D)`.
            state: A `DecoderState`.
            memory: What `prepare` returned.
            noise: What the attention drew for this step, a nest of `(batch, any)`; or None.
            training: Whether the cell drops out, as in `call`, which has drawn what it drops. A
                loop of your own leaves this False, within a model that trains too.

        Returns:
            Output `(batch, width)`, alignment `(batch, Tenc)` in float32 at least, and the next
            `DecoderState`.
        """
        if self.attend == "before":
            asking = hidden_state(self.cell, state.cell)
            read, weights = self.attention.attend(asking, memory, noise, state.position)
            output, cell_state = self._run_cell([inputs, read], state, training)
        else:
            answer = [state.attention] if self.input_feeding else []
            output, cell_state = self._run_cell([inputs, *answer], state, training)
            read, weights = self.attention.attend(output, memory, noise, state.position)
        fed = ops.cast(read, self.compute_dtype) if self.input_feeding else ()
        following = DecoderState(cell_state, fed, state.position + 1)
        return self._put_out(output, read), self.attention.average_heads(weights), following

    def _run_cell(self, inputs, state, training):
        inputs = ops.concatenate([ops.cast(x, self.compute_dtype) for x in inputs], axis=-1)
        output, cell_state = self.cell(inputs, state.cell, training=training)
        return output, pack_state(self.cell, cell_state)

    def _put_out(self, output, read):
        mode = self.output_mode or ("cell" if self.attend == "before" else "attention")
        output, read = (ops.cast(x, self.compute_dtype) for x in (output, read))
        if mode == "both":
            return ops.concatenate([output, read], axis=-1)
        return output if mode == "cell" else read

    def _check(self, inputs_shape, memory_shape):
        inputs_shape, memory_shape = tuple(inputs_shape), tuple(memory_shape)
        ranks = len(inputs_shape), len(memory_shape)
        batch, of_memory = inputs_shape[0], memory_shape[0]
        wrong_batch = None not in (batch, of_memory) and of_memory not in (1, batch)
        if ranks != (3, 3) or None in (inputs_shape[-1], memory_shape[-1]) or wrong_batch:
            raise ValueError(
                "Expected `inputs` (batch, Tdec, width) and `memory` (batch, Tenc, width) with "
                f"known widths. Received: inputs {inputs_shape}, memory {memory_shape}"
            )
        if 0 in (inputs_shape[1], memory_shape[1]):
            raise ValueError(
                "Expected `inputs` of one step and `memory` of one key at least. "
                f"Received: inputs {inputs_shape}, memory {memory_shape}"
            )

    def _width_read(self, memory_shape):
        query_shape = (None, output_size(self.cell))
        return self.attention.compute_output_shape([query_shape, tuple(memory_shape)])[-1]

    def compute_mask(self, inputs, mask=None):
        return mask

    def compute_output_spec(
        self,
        inputs,
        memory,
        initial_state=None,
        inputs_mask=None,
        memory_mask=None,
        return_attention_scores=False,
        return_state=False,
        training=None,
    ):
        self._check(inputs.shape, memory.shape)
        batch, steps, _ = inputs.shape
        read_size = self._width_read(memory.shape)

        def spec(*shape):
            return keras.KerasTensor((batch, *shape), dtype=self.compute_dtype)

        width = self._put_out(spec(output_size(self.cell)), spec(read_size)).shape[-1]
        returned = [spec(steps, width)]
        if return_attention_scores:
            returned.append(spec(steps, memory.shape[1]))
        if return_state:
            fed = spec(read_size) if self.input_feeding else ()
            position = keras.KerasTensor((batch,), dtype="int32")
            returned.append(DecoderState(state_spec(self.cell, batch), fed, position))
        return tuple(returned) if len(returned) > 1 else returned[0]

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "attend": self.attend,
            "input_feeding": self.input_feeding,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # a stack of cells empties the config that it is made from
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
