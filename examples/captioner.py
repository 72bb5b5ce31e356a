"""The decoder of Show, Attend and Tell (Xu et al. 2015), soft or hard."""

import keras
from keras import layers, ops

import keras_attention
from examples.datasets.digit_grids import END, PADDING, START, STEPS, WORDS


class DoublyStochastic(layers.Layer):
    """Identity layer that adds the penalty on unequal total weights of locations (eq. 14)."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight, self.supports_masking = weight, True

    def call(self, states, alignments):
        self.add_loss(self.weight * ops.mean(compute_penalty(alignments)))
        return states


class WithoutBaseline(keras_attention.ReinforceModel):
    """A `ReinforceModel` without a baseline."""

    baseline = 0.0


class Captioner:
    """The decoder: an LSTM that attends to the annotations before each word.

        annotations = features W + b_location         (b initialized from N(0, 2), and trained)
        h_0, c_0    = two MLPs of their mean
        words       = L_o(E y_{t-1} + L_h h_t + L_z z_t)                       (eq. 7)

    Args:
        shape: Shape (locations, width) of the features.
        units: Units of the LSTM. The width of annotations, embeddings and scores is half of it.
        hard: Whether to attend to a single location, which is sampled in training.
        penalty_weight: Weight (lambda) of the doubly stochastic penalty.
        has_baseline, entropy_weight, expectation_rate: Options of REINFORCE, for hard attention.
        seed: Seed of the sampled locations.

    `model` is the functional Keras model for training: (features, previous words) -> logits.
    """

    def __init__(
        self,
        shape,
        units,
        hard=False,
        penalty_weight=0.002,
        has_baseline=True,
        entropy_weight=0.002,
        expectation_rate=0.5,
        seed=None,
    ):
        width = units // 2
        # The bias of a location identifies it to the decoder.
        location_bias = keras.initializers.RandomNormal(stddev=2.0)
        self.annotate = layers.EinsumDense(
            "blf,fd->bld", (shape[0], width), bias_axes="ld", bias_initializer=location_bias
        )
        self.initial_state = [
            keras.Sequential([layers.Dense(width, "tanh"), layers.Dense(units, "tanh")])
            for _ in ("h", "c")
        ]
        self.embed = layers.Embedding(len(WORDS), width, mask_zero=True)
        if hard:
            attention = keras_attention.HardAttention(
                keras_attention.score.AdditiveScore(width),
                expectation_rate=expectation_rate,
                seed=seed,
            )
        else:
            attention = keras_attention.AdditiveAttention(width)
        self.decoder = keras_attention.AttentionDecoder(
            layers.LSTMCell(units), attention, attend="before", output_mode="both"
        )
        self.readout = layers.Dense(width)
        self.logits = layers.Dense(len(WORDS))
        features = keras.Input(shape, name="features")
        previous = keras.Input((STEPS,), dtype="int32", name="before")
        memory, state = self.begin(features)
        embedded = self.embed(previous)
        outputs, alignments = self.decoder(embedded, memory, state, return_attention_scores=True)
        outputs = DoublyStochastic(penalty_weight)(outputs, alignments)
        inputs, logits = [features, previous], self.read_out(outputs, embedded)
        if hard:
            model_class = keras_attention.ReinforceModel if has_baseline else WithoutBaseline
            self.model = model_class(inputs, logits, entropy_weight=entropy_weight)
        else:
            self.model = keras.Model(inputs, logits)

    def begin(self, features):
        """Map features (batch, locations, width) to annotations and the initial state."""
        annotations = self.annotate(features)
        mean = ops.mean(annotations, axis=1)
        return annotations, [layer(mean) for layer in self.initial_state]

    def read_out(self, outputs, embedded):
        """Map decoder outputs [h; z] and the embedded previous words to logits."""
        return self.logits(embedded + self.readout(outputs))

    def step(self, tokens, state, memory):
        """Run one decoding step; return logits, state and alignment."""
        embedded = self.embed(tokens)
        output, alignment, state = self.decoder.step(embedded, state, memory)
        return self.read_out(output, embedded), state, alignment

    def greedy(self, features):
        """Caption features greedily; return a `decoding.Decoded` of (batch, STEPS)."""
        annotations, state = self.begin(features)
        return keras_attention.decoding.greedy(
            self.step,
            self.decoder.get_initial_state(ops.shape(features)[0], state),
            START,
            END,
            STEPS,
            memory=self.decoder.prepare(annotations),
            memory_mask=ops.ones(ops.shape(features)[:2], "bool"),
            pad_token=PADDING,
        )


def compute_caption_cost(words, logits):
    """Return -log p(caption) of each image."""
    costs = keras.losses.sparse_categorical_crossentropy(words, logits, from_logits=True)
    return ops.sum(ops.where(words == PADDING, 0.0, costs), axis=-1)


def compute_penalty(alignments):
    """Return, per image, the sum over locations of (1 - sum of the location's weights)^2.

    The inner sum is over the words of the caption.
    """
    return ops.sum((1 - ops.sum(alignments, axis=1)) ** 2, axis=-1)
