"""Networks for natural language inference that align two sentences by attention.

A Decomposable Attention Model for Natural Language Inference, Parikh et al. (2016),
https://arxiv.org/abs/1606.01933. The network has no recurrence: F, G and H are feed-forward.

    e_ij = F(a_i) . F(b_j)                                                     (1)
    beta_i = sum_j softmax_j(e_ij) b_j;  alpha_j = sum_i softmax_i(e_ij) a_i   (2)
    v1_i = G([a_i; beta_i]);  v2_j = G([b_j; alpha_j])                         (3)
    v1 = sum_i v1_i;  v2 = sum_j v2_j                                          (4)
    y = H([v1; v2])                                                            (5)
"""

import keras
from keras import layers, ops

from keras_attention import Attention, Dropout
from keras_attention.score import Score

NAMES = ("premise", "hypothesis")
MODELS = ("decomposable", "decomposable-intra")
CLASSES = 3
MAX_DISTANCE = 10  # larger distances in one direction share one bias
DROPOUT = 0.2


@keras.saving.register_keras_serializable(package="examples")
class DistanceScore(Score):
    """Dot product with a learned bias for each distance of query and key, in words.

    Args:
        max_distance: Larger distances have the bias of this one, separately for both directions.
    """

    def __init__(self, max_distance=MAX_DISTANCE, **kwargs):
        super().__init__(**kwargs)
        self.max_distance = max_distance

    def build(self, query_shape, key_shape):
        self.bias = self.add_weight(
            name="bias", shape=(2 * self.max_distance + 1,), initializer="zeros"
        )

    def compare(self, query, key):
        products = ops.matmul(query, ops.swapaxes(key, -1, -2))
        distances = ops.arange(ops.shape(key)[-2]) - ops.arange(ops.shape(query)[-2])[:, None]
        distances = ops.clip(distances, -self.max_distance, self.max_distance)
        return products + ops.take(self.bias, distances + self.max_distance)

    def get_config(self):
        return {**super().get_config(), "max_distance": self.max_distance}


def make_feed_forward(units, name):
    """Return two layers of rectified linear units, each after dropout."""
    hidden = [[Dropout(DROPOUT), layers.Dense(units, activation="relu")] for _ in range(2)]
    return keras.Sequential(sum(hidden, []), name=name)


def make_decomposable(model, size, units):
    """Return a model: a dict of ids -> logits (batch, 3), and one that also returns the weights.

    The inputs are a dict of ids, 0 is padding: "premise_ids" (batch, Ta) and "hypothesis_ids"
    (batch, Tb). The second model has the same layers and returns a dict: "logits"; "weights"
    (batch, Ta, Tb), those of each word of the premise over the hypothesis; and
    "hypothesis_weights" (batch, Tb, Ta).

    Args:
        model: "decomposable", or "decomposable-intra" for intra-attention in each sentence.
        size: Number of ids.
        units: Width of the word vectors and of all layers.
    """
    ids = {name: keras.Input((None,), dtype="int32", name=f"{name}_ids") for name in NAMES}
    masks = {name: ops.not_equal(x, 0) for name, x in ids.items()}
    embed = layers.Embedding(size, units, name="words")
    project = layers.Dense(units, use_bias=False, name="projection")
    words = {name: project(Dropout(DROPOUT)(embed(x))) for name, x in ids.items()}
    if model == "decomposable-intra":
        attend_to_itself = Attention(score=DistanceScore(), name="intra_attention")
        compare_words = make_feed_forward(units, "f_intra")
        for name, vectors in words.items():
            compared = compare_words(vectors)
            context = attend_to_itself([compared, vectors, compared], mask=[masks[name]] * 2)
            words[name] = ops.concatenate([vectors, context], axis=-1)
    attend, compare = Attention(score="dot", name="alignment"), make_feed_forward(units, "f")
    compared = {name: compare(vectors) for name, vectors in words.items()}
    aggregate = make_feed_forward(units, "g")
    sums, weights = [], []
    for name, other in (NAMES, NAMES[::-1]):
        aligned, alignment = attend(
            [compared[name], words[other], compared[other]],
            mask=[masks[name], masks[other]],
            return_attention_scores=True,
        )
        vectors = aggregate(ops.concatenate([words[name], aligned], axis=-1))
        is_real = ops.cast(masks[name], vectors.dtype)[..., None]
        sums.append(ops.sum(vectors * is_real, axis=1))
        weights.append(alignment)
    hidden = make_feed_forward(units, "h")(ops.concatenate(sums, axis=-1))
    outputs = {
        "logits": layers.Dense(CLASSES, name="labels")(hidden),
        "weights": weights[0],
        "hypothesis_weights": weights[1],
    }
    inputs = {x.name: x for x in ids.values()}
    return keras.Model(inputs, outputs["logits"]), keras.Model(inputs, outputs)
