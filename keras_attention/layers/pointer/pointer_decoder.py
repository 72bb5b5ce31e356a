"""A decoder whose answers are positions of what it reads (Vinyals, Fortunato, Jaitly 2015)."""

import copy

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.additive.compare import compare
from keras_attention.layers.call_arguments.masks import check_mask
from keras_attention.layers.pointer.check_call import check_inputs, check_shapes
from keras_attention.layers.pointer.decode import decode
from keras_attention.layers.pointer.pointing import (
    last_before,
    log_probabilities,
    rows_of,
    with_begin,
)
from keras_attention.layers.query_value.base import PreparedMemory, for_loop
from keras_attention.layers.recurrent.cell_adapter import (
    check_cell,
    first_state,
    fixed_dropout_masks,
    output_size,
    pack_state,
    state_spec,
)
from keras_attention.layers.recurrent.masked_scan import over_time
from keras_attention.mask import combine, hide, padding, visited
from keras_attention.precision import score_dtype, to_score_precision
from keras_attention.score import AdditiveScore


@keras.saving.register_keras_serializable(package="keras_attention")
class PointerDecoder(BaseLayer):
    """Points to one element of its memory at every step.

    score: additive; mask: padding, visited; normalize: softmax; read: the weights are the answer.

        d_i, state_i = cell(x_i, state_{i-1})                     x_i: element pointed to before
        u[i, j]      = v . tanh(W1 e_j + W2 d_i)                  equation 3
        log p(C_i = j | C_1 .. C_{i-1}) = log softmax_j(u[i, j])

    Nothing is blended into a context: the pointed element's own vector is the next input.

    With `end_slot` there is one thing more to point to, a learned vector, which ends the sequence.
    It has index 0 and the elements have 1 .. Tin, whatever the padding; without it they have
    0 .. Tin - 1.

    Weights, in this order: `begin` (D,), `end` (Dm,) with `end_slot`, the cell's, and the score's
    `query_kernel` (W2: cell's width, units), `key_kernel` (W1: Dm, units), `scale` (v: units,).

    Args:
        units: Width of the score's hidden layer, and of the LSTM.
        cell: A Keras recurrent cell of your own; None makes an `LSTMCell(units)`.
        end_slot: Whether there is an end to point to.
        kernel_initializer: Initializer of W1 and W2.
        scale_initializer: Initializer of v.
        begin_initializer: Initializer of the begin symbol; None = zeros, without a weight, as
            it should be where no `points` are given in training.
        end_initializer: Initializer of the end.
        kernel_regularizer: Regularizer of W1 and W2.

    Call arguments:
        inputs: With `points`: what to point to, int indices `(batch, Tout)`; the layer feeds the
            begin symbol and then these elements' points, and a negative index is a padded step.
            There must be an element of every other index: this is not checked, and backends
            differ in what they make of it (an error, NaN, the last element).
            Without: what each step is fed, `(batch, Tout, D)`, shifted right by the caller.
        memory: `(batch, Tin, Dm)`, an encoder's outputs e.
        points: The elements' own vectors `(batch, Tin, D)`, e.g. coordinates; or None.
        initial_state: The cell's states, nested in any way (an encoder's last states); None lets
            the cell choose.
        inputs_mask: Bool `(batch, Tout)`, taken from `inputs`' Keras mask where not given. A
            padded step leaves the state as it is; its log-probabilities and weights are zero.
        memory_mask: Bool `(batch, Tin)`, taken from `memory`'s Keras mask where not given:
            sequences of different numbers of elements.
        mask_visited: Whether an element can be pointed to once only, as in `decode`; needs
            `points`. In training the paper leaves it to the model.
        return_attention_scores: Whether to return the weights, e^output, too.
        return_state: Whether to return the cell's last state too.
        training: Whether the cell applies its dropout.

    Returns:
        Log-probabilities `(batch, Tout, Tin)`, or `(batch, Tout, 1 + Tin)` with `end_slot`, in
        float32 at least under any dtype policy, of use as logits of a cross-entropy: with labels
        that are -1 in padded steps, `SparseCategoricalCrossentropy(from_logits=True,
        ignore_class=-1)`. What is masked has the lowest float32, also where all is masked. Then
        the weights and the state if asked for.

    Raises:
        ValueError: If an argument or a shape is not one of these.

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
    its inputs; without repeats `decode` takes the softmax over what is left, where the paper
    restricts the beam to valid tours; the paper draws all weights from U(-0.08, 0.08). Its
    baseline "LSTM + attention" (section 2.2) for a fixed n is

        AttentionDecoder(LSTMCell(units), AdditiveAttention(units), attend="after",
                         input_feeding=True, output_mode="both")

    with a `Dense(n)` on its outputs [d_i; d'_i].

    Reference:
        Pointer Networks, Vinyals, Fortunato, Jaitly (2015), section 2.3,
        https://arxiv.org/abs/1506.03134.
    """

    def __init__(
        self,
        units,
        cell=None,
        end_slot=False,
        kernel_initializer="glorot_uniform",
        scale_initializer="glorot_uniform",
        begin_initializer="glorot_uniform",
        end_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units)
        self.end_slot = arguments.boolean("end_slot", end_slot)
        self.begin_initializer = keras.initializers.get(begin_initializer)
        self.end_initializer = keras.initializers.get(end_initializer)
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

    decode = decode  # a method with a file of its own

    def build(self, inputs_shape, memory_shape, points_shape=None):
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
        if not self.cell.built:  # it may be shared with another layer
            self.cell.build((batch, self.input_width))
        self.score.build((batch, None, output_size(self.cell)), tuple(memory_shape))

    def call(
        self,
        inputs,
        memory,
        points=None,
        initial_state=None,
        inputs_mask=None,
        memory_mask=None,
        mask_visited=False,
        return_attention_scores=False,
        return_state=False,
        training=None,
    ):
        check_inputs(inputs, memory, points, mask_visited)
        inputs_mask, memory_mask = (
            None if mask is None else ops.cast(mask, "bool") for mask in (inputs_mask, memory_mask)
        )
        check_mask("inputs_mask", inputs_mask, inputs.shape[:2])
        prepared = self.prepare(memory, points, memory_mask)
        visible = padding(key_mask=prepared.mask)
        if points is not None:
            inputs_mask = combine(inputs_mask, ops.greater_equal(inputs, 0))
            fed = self._rows_before(inputs, inputs_mask)
            inputs = rows_of(prepared.values, fed)
            if mask_visited:
                visible = combine(visible, visited(fed - 1, ops.shape(memory)[1]))
        inputs = hide(ops.cast(inputs, self.compute_dtype), inputs_mask)
        state = self.get_initial_state(ops.shape(inputs)[0], initial_state)

        def cell_step(state, inputs):
            output, state = self._run_cell(inputs, state, training)
            return (output,), state

        with fixed_dropout_masks(self.cell, inputs[:, 0], state, training):
            (queries,), state = over_time(
                cell_step, state, [inputs], inputs_mask, [self.compute_dtype]
            )
        found = self._point(
            self.score.project_query(to_score_precision(queries)), prepared, visible
        )
        returned = [hide(found, inputs_mask)]
        if return_attention_scores:
            returned.append(ops.cast(hide(ops.exp(found), inputs_mask), self.compute_dtype))
        if return_state:
            returned.append(state)
        return tuple(returned) if len(returned) > 1 else returned[0]

    def prepare(self, memory, points=None, memory_mask=None):
        """Does once what does not depend on the step.

        Args:
            memory: `(batch, Tin, Dm)`.
            points: `(batch, Tin, D)`, or None.
            memory_mask: Bool `(batch, Tin)`, or None.

        Returns:
            A `PreparedMemory`: projected keys, the end's first if there is one; values, what a
            step is fed `(batch, 1 + Tin, D)`, the begin symbol first, or None; the mask.
        """
        if memory_mask is not None:
            memory_mask = ops.cast(memory_mask, "bool")
        check_mask("memory_mask", memory_mask, memory.shape[:2])
        memory = hide(ops.cast(memory, self.compute_dtype), memory_mask)
        if self.end_slot:
            end = ops.cast(self.end, self.compute_dtype)
            end = ops.broadcast_to(end, (ops.shape(memory)[0], 1, memory.shape[-1]))
            memory = ops.concatenate([end, memory], axis=1)
        if points is not None:
            points = ops.cast(points, self.compute_dtype)
            points = with_begin(self.begin, points, memory_mask)
        keys = self.score.project_key(to_score_precision(memory))
        return for_loop(PreparedMemory(keys, points, memory_mask), self.score)

    def get_initial_state(self, batch_size, initial_state=None):
        """The cell's states before the first step, `initial_state` or the cell's choice."""
        if initial_state is None:
            return first_state(self.cell, batch_size)
        return pack_state(self.cell, initial_state, self.cell.compute_dtype)

    def step(self, inputs, state, memory, visible=None):
        """One step, for decoding loops: without dropout, within a model that trains too.

        Args:
            inputs: `(batch, D)`.
            state: The cell's states.
            memory: What `prepare` returned.
            visible: Bool `(batch, Tin)`, the elements that may be pointed to; None = the
                memory's mask.

        Returns:
            Log-probabilities `(batch, Tin)`, or `(batch, 1 + Tin)` with `end_slot`, and the next
            state.
        """
        inputs = ops.cast(inputs, self.compute_dtype)
        output, state = self._run_cell(inputs, state, training=False)
        # The query is projected before it gets an axis of its own: on TensorFlow a product of
        # rank 3 and 2 has no gradient in an XLA loop whose sizes are unknown.
        asked = ops.expand_dims(self.score.project_query(to_score_precision(output)), 1)
        visible = padding(key_mask=memory.mask if visible is None else visible)
        return ops.squeeze(self._point(asked, memory, visible), 1), state

    def _run_cell(self, inputs, state, training):
        output, state = self.cell(inputs, state, training=training)
        return ops.cast(output, self.compute_dtype), pack_state(self.cell, state)

    def _rows_before(self, indices, real):
        """The rows of `with_begin`'s table that are fed to steps which point to the indices.

        It is what the last real step before pointed to: a padded one is no step.
        """
        rows = ops.cast(indices, "int32") + (0 if self.end_slot else 1)
        rows = ops.pad(ops.where(real, rows, 0), [[0, 0], [1, 0]])
        return ops.take_along_axis(rows, last_before(real), axis=1)

    def _point(self, asked, memory, visible):
        """Log-probabilities of projected queries; the end may always be seen."""
        if self.end_slot and visible is not None:
            visible = ops.concatenate([ops.ones_like(visible[..., :1]), visible], axis=-1)
        scores = compare(self.score, asked, memory.keys, memory.of_keys)
        return log_probabilities(scores, visible)

    def compute_mask(self, inputs, mask=None):
        return mask

    def compute_output_spec(
        self,
        inputs,
        memory,
        points=None,
        initial_state=None,
        inputs_mask=None,
        memory_mask=None,
        mask_visited=False,
        return_attention_scores=False,
        return_state=False,
        training=None,
    ):
        check_inputs(inputs, memory, points, mask_visited)
        batch, steps = inputs.shape[:2]
        columns = memory.shape[1]
        if self.end_slot and columns is not None:
            columns += 1
        shape = (batch, steps, columns)
        returned = [keras.KerasTensor(shape, dtype=score_dtype(self.compute_dtype))]
        if return_attention_scores:
            returned.append(keras.KerasTensor(shape, dtype=self.compute_dtype))
        if return_state:
            returned.append(state_spec(self.cell, batch))
        return tuple(returned) if len(returned) > 1 else returned[0]

    def get_config(self):
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
        }

    @classmethod
    def from_config(cls, config):
        config = copy.deepcopy(config)  # a stack of cells empties the config that it is made from
        config["cell"] = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**config)
