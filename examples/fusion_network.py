"""Networks for natural language inference that read the premise, then the hypothesis, by LSTMNs.

Long Short-Term Memory-Networks for Machine Reading, Cheng, Dong, Lapata (2016), section 4,
https://arxiv.org/abs/1601.06733. While it reads the hypothesis, the network attends to the premise
and to its own past. Shallow fusion passes what it reads of the premise to the next step as an
input; deep fusion also adds the premise's cells to its own.
"""

import keras
from keras import layers, ops

import keras_attention
from keras_attention import Dropout

MODELS = ("lstmn-shallow", "lstmn-deep")
MAX_LENGTH = 40
DROPOUT = 0.2


def make_fusion(model, size, units, classes=3):
    """Return a model: a dict of ids -> logits (batch, 3), and one that also returns the weights.

    The inputs are those of `examples.inference_network.make_decomposable`. The second model
    returns a dict: "logits", and "hypothesis_weights" (batch, Tb, Ta), those of each word of the
    hypothesis over the premise.

    Args:
        model: "lstmn-shallow" or "lstmn-deep".
        size: Number of ids.
        units: Width of the word vectors and of the states.
        classes: Number of labels.
    """
    premise = keras.Input((None,), dtype="int32", name="premise_ids")
    hypothesis = keras.Input((None,), dtype="int32", name="hypothesis_ids")
    masks = [ops.not_equal(ids, 0) for ids in (premise, hypothesis)]
    embed, drop = layers.Embedding(size, units, name="words"), Dropout(DROPOUT)
    first, second = drop(embed(premise)), drop(embed(hypothesis))
    is_deep = model == "lstmn-deep"
    cell = keras_attention.LSTMNCell(units, MAX_LENGTH, return_cells=is_deep)
    reader = layers.RNN(cell, return_sequences=True, name="premise")
    steps = cell.split_outputs(reader(first, mask=masks[0]))
    options = {"inputs_mask": masks[1], "memory_mask": masks[0], "return_attention_scores": True}
    if is_deep:
        decoder = keras_attention.DeepFusionDecoder(units, MAX_LENGTH, name="hypothesis")
        states, weights = decoder(second, steps.outputs, steps.cells, **options)
    else:
        decoder = keras_attention.AttentionDecoder(
            keras_attention.LSTMNCell(units, MAX_LENGTH),
            keras_attention.AdditiveAttention(units=units),
            name="hypothesis",
        )
        states, weights = decoder(second, steps.outputs, **options)
    pairs = zip((steps.outputs, states), masks, strict=True)
    means = ops.concatenate([compute_mean(*pair) for pair in pairs], axis=-1)
    hidden = layers.Dense(units, activation="relu")(drop(means))
    outputs = {"logits": layers.Dense(classes)(hidden), "hypothesis_weights": weights}
    inputs = {x.name: x for x in (premise, hypothesis)}
    return keras.Model(inputs, outputs["logits"]), keras.Model(inputs, outputs)


def compute_mean(states, mask):
    """Return the mean of the states whose mask is True, zero if there are none."""
    weights = ops.cast(mask, states.dtype)[..., None]
    return ops.sum(states * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
