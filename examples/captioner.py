"""The decoder of Show, Attend and Tell (Xu et al. 2015), soft or hard."""

import keras
from keras import layers, ops

import keras_attention
from examples.datasets.digit_grids import END, PADDING, START, STEPS, WORDS


class DoublyStochastic(layers.Layer):
    """Hands states on, and adds to the loss that locations be looked at equally (eq. 14)."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight, self.supports_masking = weight, True

    def call(self, states, alignments):
        self.add_loss(self.weight * ops.mean(penalty(alignments)))
        return states


class WithoutBaseline(keras_attention.ReinforceModel):
    """Rewards as they are."""

    baseline = 0.0


class Captioner:
    """The decoder: an LSTM that looks at the annotations before each word.

        annotations = features W + b_location            (b drawn from N(0, 2), then learned)
        h_0, c_0    = two MLPs of their mean
        words       = L_o(E y_{t-1} + L_h h_t + L_z z_t)                       (eq. 7)

    Args:
        shape: Of the features: locations and width.
        units: Width of the LSTM; annotations, embeddings and scores have half of it.
        hard: Whether to look at one location, which is drawn in training.
        penalty_weight: lambda of the doubly stochastic regularizer.
        has_baseline, entropy_weight, expectation_rate: Of REINFORCE.
        seed: Of the draws.

    `model` is the functional Keras model for training: (features, words before) -> logits.
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
        known = keras.initializers.RandomNormal(stddev=2.0)
        self.annotate = layers.EinsumDense(  # each location has a bias, to know it by
            "blf,fd->bld", (shape[0], width), bias_axes="ld", bias_initializer=known
        )
        self.first = [
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
        before = keras.Input((STEPS,), dtype="int32", name="before")
        memory, state = self.begin(features)
        embedded = self.embed(before)
        states, alignments = self.decoder(embedded, memory, state, return_attention_scores=True)
        states = DoublyStochastic(penalty_weight)(states, alignments)
        ends = [features, before], self.read_out(states, embedded)
        if hard:
            kind = keras_attention.ReinforceModel if has_baseline else WithoutBaseline
            self.model = kind(*ends, entropy_weight=entropy_weight)
        else:
            self.model = keras.Model(*ends)

    def begin(self, features):
        """Features (batch, locations, width) -> annotations, first state."""
        annotations = self.annotate(features)
        mean = ops.mean(annotations, axis=1)
        return annotations, [first(mean) for first in self.first]

    def read_out(self, outputs, embedded):
        """[h; z] and the embedded words before -> logits."""
        return self.logits(embedded + self.readout(outputs))

    def step(self, tokens, state, memory):
        """One decoding step."""
        embedded = self.embed(tokens)
        output, alignment, state = self.decoder.step(embedded, state, memory)
        return self.read_out(output, embedded), state, alignment

    def greedy(self, features):
        """Features -> `decoding.Decoded` of (batch, STEPS)."""
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


def caption_cost(words, logits):
    """-log p(caption) of each picture."""
    costs = keras.losses.sparse_categorical_crossentropy(words, logits, from_logits=True)
    return ops.sum(ops.where(words == PADDING, 0.0, costs), axis=-1)


def penalty(alignments):
    """Sum over the locations of (1 - the sum over the words of their weights)^2: (batch,)."""
    return ops.sum((1 - ops.sum(alignments, axis=1)) ** 2, axis=-1)
