"""Layers of Keras that compute something else in a graph than eagerly."""

from collections.abc import Iterable
from typing import Any

import keras

KNOWN_CAUSES = (
    (
        keras.layers.TimeDistributed,
        "loses steps in a graph where several sizes are unknown. Use keras_attention.EachStep "
        "instead of it, or inputs of fixed sizes",
    ),
    (
        keras.layers.Resizing,
        "rounds integers eagerly but not in a graph. Make the input of the model float32",
    ),
)


def describe_known_causes(holders: Iterable[Any]) -> str:
    """Return a sentence for each kind of layer that may be why an export differs from a model.

    Args:
        holders: Models, layers and other objects. The layers inside them are searched too.
    """
    layers = [
        layer
        for holder in holders
        if isinstance(holder, keras.Layer)
        # Keras has no public list of the layers inside a layer that is not a model.
        for layer in holder._flatten_layers()
    ]
    sentences = ["Random numbers can be reproduced only if a SeedGenerator draws them."]
    for kind, cause in KNOWN_CAUSES:
        names = sorted({layer.name for layer in layers if isinstance(layer, kind)})
        if names:
            sentences.append(f"The layers {names} may be the cause: {kind.__name__} {cause}.")
    return " ".join(sentences)
