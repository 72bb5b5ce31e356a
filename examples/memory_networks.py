"""End-to-end memory networks (Sukhbaatar et al. 2015): one of them, and several trained at once.

`make_network` composes one network from this package's layers. `MemoryNetworks` computes the same
for several networks that differ in their initial weights. Small networks take most of their time
between operations; the matrices of all restarts side by side are one product.
"""

import keras
import numpy as np
import tensorflow as tf

import keras_attention

CLIP = 40.0  # the largest norm of the gradient of a matrix
DEVIATION = 0.1  # of the initial weights


def make_network(size, length, places, units=20, hops=3, encoding="authors"):
    """Return a model of one network with adjacent tying.

    Its inputs are ids: `facts` (batch, S, J), `ages` (batch, S) and the question `query`
    (batch, J); the age of the last fact is 0. Its outputs are `probabilities` (batch, size) and
    `weights` (batch, hops, S).

    Args:
        size: Number of ids of words.
        length: Number of words of the longest sentence.
        places: Number of ages.
        units: Width of the embeddings.
        hops: Number of hops.
        encoding: "authors", "paper" or None, as in `keras_attention.BagOfWords`.
    """
    facts = keras.Input((None, None), dtype="int32", name="facts")
    ages = keras.Input((None,), dtype="int32", name="ages")
    query = keras.Input((None,), dtype="int32", name="query")
    bags = [
        keras_attention.BagOfWords(size, units, encoding, length, name=f"words_{k}")
        for k in range(hops + 1)
    ]
    times = [keras.layers.Embedding(places, units, name=f"ages_{k}") for k in range(hops + 1)]
    memories = [bag(facts) + time(ages) for bag, time in zip(bags, times, strict=True)]
    mask = bags[0].compute_mask(facts)
    output, weights = keras_attention.MultiHopAttention(hops)(
        [bags[0](query), *memories],
        mask=[None, *[mask] * (hops + 1)],
        return_attention_scores=True,
    )
    probabilities = keras.layers.Softmax()(bags[-1].logits(output))
    outputs = {"probabilities": probabilities, "weights": weights}
    return keras.Model([facts, ages, query], outputs)


class MemoryNetworks(keras.Model):
    """Several memory networks, each with weights of its own, trained on the same batches.

    The inputs are `facts` (batch, S) and `question` (batch,), indices of sentences, and `ages`
    (batch, S). The outputs are logits (batch, restarts, size) and weights
    (batch, restarts, hops, S).

    Args:
        sentences: Ids (U, J) of all sentences; the first one is empty.
        size: Number of ids of words.
        places: Number of ages.
        restarts: Number of networks.
        units, hops, encoding: As in `make_network`.
        normalize: "softmax", or "linear" for the linear start.
        share: Networks whose weights this model shares; None = new weights.
        is_supervised: Whether hop k is trained to attend to supporting fact k, by an
            `AttentionLoss`, if there is such a fact.
        rngs: A random generator of the initial weights for each network.
    """

    def __init__(
        self,
        sentences,
        size,
        places,
        restarts,
        units=20,
        hops=3,
        encoding="authors",
        normalize="softmax",
        share=None,
        is_supervised=False,
        rngs=None,
    ):
        super().__init__()
        self.features = tf.constant(make_features(sentences, size, encoding))
        self.factors = tf.constant(make_factors(units, encoding))
        self.places = places
        self.attend = keras_attention.MultiHopAttention(hops, normalize=normalize)
        self.is_supervised = is_supervised
        self.mean_loss = keras.metrics.Mean(name="loss")
        shapes = {"facts": (None, places), "ages": (None, places), "question": (None,)}
        specs = {name: tf.TensorSpec(shape, tf.int32) for name, shape in shapes.items()}
        # XLA would take longer to compile this than it takes to run.
        self.compute = tf.function(self.call, input_signature=[specs])
        if share is not None:
            self.words, self.times = share.words, share.times
            return

        def create(rows, name):
            # One generator for each restart: more restarts leave the first ones as they are.
            values = [rng.normal(0, DEVIATION, (hops + 1, rows, units)) for rng in rngs]
            values = np.stack(values, axis=1).astype("float32")
            start = keras.initializers.Constant(values)
            return self.add_weight(shape=values.shape, initializer=start, name=name)

        self.words, self.times = create(size, "words"), create(places, "times")

    def call(self, inputs, training=None):
        facts, ages, question = inputs["facts"], inputs["ages"], inputs["question"]
        is_fact = facts > 0
        times = tf.where(is_fact[..., None], tf.one_hot(ages, self.places), 0.0)
        features = tf.concat([tf.gather(self.features, facts), times], axis=-1)
        words = tf.concat([self.words, self.words * self.factors], axis=2)
        kernel = tf.concat([words, self.times], axis=2)
        # One product for all hops and restarts: their matrices are side by side.
        memories = tf.einsum("bsf,krfd->kbrsd", features, kernel)
        query = tf.einsum("bf,rfd->brd", tf.gather(self.features, question), words[0])
        restarts, count = kernel.shape[1], kernel.shape[0]
        mask = tf.repeat(is_fact[:, None], restarts, axis=1)
        output, weights = self.attend(
            [query, *tf.unstack(memories, num=count)],
            mask=[None, *[mask] * count],
            return_attention_scores=True,
        )
        return tf.einsum("brd,rvd->brv", output, self.words[-1]), weights

    def train_step(self, data):
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            logits, weights = self(inputs, training=True)
            answers = tf.repeat(targets["answers"][:, None], logits.shape[1], axis=1)
            # The sum over the batch, as in the paper; the networks do not depend on one another.
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(answers, logits))
            total = loss
            if self.is_supervised:
                supporting = targets["supporting"][:, None, : self.attend.hops]
                supporting = tf.repeat(supporting, logits.shape[1], axis=1)
                distance = keras_attention.AttentionLoss("cross_entropy", reduction="sum")
                total += distance(supporting, weights)
        variables = [self.words, self.times]
        gradients = tape.gradient(total, [v.value for v in variables])
        self.optimizer.apply([clip_matrices(gradient) for gradient in gradients], variables)
        self.mean_loss.update_state(loss / tf.cast(tf.size(answers), "float32"))
        return {"loss": self.mean_loss.result()}

    @property
    def metrics(self):
        return [self.mean_loss]

    def copy_to(self, network, restart):
        """Assign the weights of one of the networks to a model from `make_network`."""
        for k in range(self.attend.hops + 1):
            network.get_layer(f"words_{k}").embeddings.assign(self.words[k, restart])
            network.get_layer(f"ages_{k}").embeddings.assign(self.times[k, restart])


def clip_matrices(gradient):
    """Scale each matrix of `(..., rows, columns)` to a norm of at most `CLIP`."""
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=(-2, -1), keepdims=True))
    return gradient * (CLIP / tf.maximum(norm, CLIP))


def make_features(sentences, size, encoding):
    """Return for each sentence the counts of its words, and their sums weighted by position.

    The position encoding of component k of word j is a sum of two products of a factor of j and a
    factor of k. So the sum of a sentence's vectors is `counts @ E + weighted @ (E * factors)`.

    Args:
        sentences: Ids (U, J), padded with 0.
        size: Number of ids.
        encoding: As in `make_network`.
    """
    length = sentences.shape[1]
    one_hot = np.eye(size, dtype="float32")[sentences] * (sentences > 0)[..., None]
    position = np.arange(1, length + 1, dtype="float32") / length
    plain, weighted = {
        "authors": (np.ones(length), position - (length + 1) / (2 * length)),
        "paper": (1 - position, 2 * position - 1),
        None: (np.ones(length), np.zeros(length)),
    }[encoding]
    columns = [np.einsum("ujv,j->uv", one_hot, factors) for factors in (plain, weighted)]
    return np.concatenate(columns, axis=1).astype("float32")


def make_factors(units, encoding):
    """Return the factors of the components, which multiply the weighted sums."""
    component = np.arange(1, units + 1, dtype="float32") / units
    if encoding == "authors":
        component = 4 * (component - (units + 1) / (2 * units))
    return component.astype("float32")
