"""The networks of the Vision Transformer example: the Transformer, and a convolutional one."""

import keras
from keras import layers, ops

import keras_attention
from examples.datasets.images import CLASSES

CONVOLUTIONS = (32, 64, 84, 96)  # widths; about as many weights as the Transformer


def make_transformer(shape, patch, width, blocks, heads, dropout):
    """Return a Vision Transformer for images, and a model of its attention.

    Args:
        shape: Height, width and channels of an image.
        patch: Side of a patch.
        width: Width of the vectors; the feed-forward networks have twice as many units.
        blocks: Number of Transformer blocks.
        heads: Number of heads.
        dropout: Fraction of each sublayer's output to drop in training.

    Returns:
        A model: images (batch, *shape) uint8 -> logits (batch, `CLASSES`); and a model with the
        same layers: images -> a dict of "logits", and of "attention" and "rollout" (batch, rows,
        columns), the shares of the patches in the class token's output. "attention" is the mean
        over the heads of the last block, "rollout" that over all blocks
        (`keras_attention.explain.rollout`).
    """
    image = keras.Input(shape, dtype="uint8", name="image")
    embed = keras_attention.PatchEmbedding(
        patch,
        width,
        data_format="channels_last",
        # About as large as the projected patches. With the layer's default of 0.05, most of a short
        # training passes before the network uses the positions.
        positions_initializer=keras.initializers.RandomNormal(stddev=0.5),
    )
    tokens = embed(layers.Rescaling(1 / 127.5, -1)(image))
    stack = [
        keras_attention.TransformerEncoderBlock(
            heads, 2 * width, dropout=dropout, norm="pre", activation="gelu"
        )
        for _ in range(blocks)
    ]
    normalize, classify = layers.LayerNormalization(epsilon=1e-6), layers.Dense(CLASSES)
    # With the weights first: Keras does not connect a second output that only a later call has.
    x, weights = tokens, []
    for block in stack:
        x, block_weights = block(x, return_attention_scores=True)
        weights.append(block_weights)
    rollout = keras_attention.explain.rollout(weights)
    maps = {"attention": ops.mean(weights[-1], axis=1), "rollout": rollout}
    grid = (-1, shape[0] // patch, shape[1] // patch)
    maps = {name: ops.reshape(map[:, 0, 1:], grid) for name, map in maps.items()}
    with_maps = keras.Model(image, {"logits": classify(normalize(x[:, 0])), **maps})

    x = tokens
    for block in stack:
        x = block(x)
    return keras.Model(image, classify(normalize(x[:, 0]))), with_maps


def make_convolutional(shape):
    """Return a convolutional network for images (batch, *shape) uint8 -> logits."""
    image = keras.Input(shape, dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, -1)(image)
    for number, width in enumerate(CONVOLUTIONS):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
        x = layers.MaxPooling2D()(x) if number < 2 else x
    x = keras_attention.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(CLASSES)(x))
