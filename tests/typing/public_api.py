"""Every public name with its types. pyright checks this file in strict mode; nothing runs it.

A call with a wrong type carries `pyright: ignore`. If the annotations no longer refuse the call,
the comment is unnecessary, which is an error as well.
"""

# Keras has no types, so its layers and the tensors that layers return are unknown.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportUntypedBaseClass=false
# pyright: reportUnnecessaryTypeIgnoreComment=error

from pathlib import Path
from typing import Any, assert_type

import keras
import numpy as np

import keras_attention
from keras_attention.types import Config, Initializer, Nest, Normalizer, Regularizer, Shape, Tensor


def use_types() -> tuple[Config, Initializer, Nest, Normalizer, Regularizer, Shape]:
    """The aliases for annotations."""
    return {}, "zeros", {"state": 1}, keras_attention.normalize.softmax, None, (None, 3)


def build_query_value_layers() -> list[keras.layers.Layer]:
    """Layers called with `[query, value]`."""
    keras_attention.AdditiveAttention(units="8")  # pyright: ignore[reportArgumentType]
    keras_attention.Attention(dropout="0.1")  # pyright: ignore[reportArgumentType]
    keras_attention.Dropout("half")  # pyright: ignore[reportArgumentType]
    keras_attention.GraphAttention(8, merge="sum")  # pyright: ignore[reportArgumentType]
    keras_attention.HardAttention(estimator="best")  # pyright: ignore[reportArgumentType]
    keras_attention.LocalAttention(window="3")  # pyright: ignore[reportArgumentType]
    keras_attention.MultiHopAttention(tying="none")  # pyright: ignore[reportArgumentType]
    keras_attention.LuongAttention(score="cosine")  # pyright: ignore[reportArgumentType]
    keras_attention.MonotonicAttention(inference="mode")  # pyright: ignore[reportArgumentType]
    return [
        keras_attention.AdditiveAttention(units=8, use_bias=True, dropout=0.1, seed=1),
        keras_attention.Attention(score="dot", normalize=keras_attention.normalize.sparsemax),
        keras_attention.Attention(score=keras_attention.score.DotScore(scaled=True)),
        keras_attention.AttentionPooling(units=None, normalize="sparsemax"),
        keras_attention.BagOfWords(9, 4, position_encoding="paper", max_length=7),
        keras_attention.Dropout(0.5, noise_shape=(None, None, 1), seed=1),
        keras_attention.EachStep(keras_attention.AttentionPooling()),
        keras_attention.GraphAttention(8, heads=2, merge="average", activation="elu"),
        keras_attention.HardAttention(estimator="gumbel", temperature=0.5),
        keras_attention.LocalAttention(window=3, alignment="monotonic"),
        keras_attention.LocationAwareAttention(units=8, normalize="smooth", start="first"),
        keras_attention.LuongAttention(score="location", max_length=50, implementation="plain"),
        keras_attention.MonotonicAttention("general", chunk=4, inference="soft"),
        keras_attention.MultiHopAttention(2, "layer_wise", normalize="linear"),
    ]


def build_multi_head_layers() -> list[keras.layers.Layer]:
    """Multi-head layers, Transformer blocks and related layers."""
    keras_attention.MultiHeadAttention(num_heads=None)  # pyright: ignore[reportArgumentType]
    keras_attention.MultiHeadSelfAttention()  # pyright: ignore[reportCallIssue]
    keras_attention.TransformerEncoderBlock(2, 8, norm="rms")  # pyright: ignore[reportArgumentType]
    keras_attention.PatchEmbedding(4, 8, positions="rotary")  # pyright: ignore[reportArgumentType]
    return [
        keras_attention.MultiHeadAttention(num_heads=2, key_dim=8),
        keras_attention.MultiHeadSelfAttention(2, window=4, rotary_base=10000.0),
        keras_attention.PatchEmbedding(patch=4, width=8, class_token=False),
        keras_attention.PositionalEncoding(base=10000.0, scale=True),
        keras_attention.SelfAttention2D(data_format="channels_last"),
        keras_attention.TimeReduction(factor=2),
        keras_attention.TransformerDecoderBlock(num_heads=2, hidden_dim=16),
        keras_attention.TransformerEncoderBlock(num_heads=2, hidden_dim=16, norm="pre"),
    ]


def convert_weights(theirs: keras.layers.MultiHeadAttention) -> keras.layers.Layer:
    """Weights from and to Keras."""
    return keras_attention.multi_head_to_keras(keras_attention.multi_head_from_keras(theirs))


def migrate_layers(module: Any, weights: dict[str, Any]) -> None:
    """Layers of other libraries."""
    assert_type(
        keras_attention.migrate.attention_decoder_from_addons(
            weights, keras.layers.GRUCell(8), mode="hard"
        ),
        keras_attention.AttentionDecoder,
    )
    blocks, _ = keras_attention.migrate.encoder_from_torch(module)
    assert_type(blocks, list[keras_attention.TransformerEncoderBlock])
    keras_attention.migrate.decoder_from_torch(module)
    keras_attention.migrate.transformer_from_torch(module)
    layers: list[keras.layers.Layer] = [
        keras_attention.migrate.LinearAttention(8),
        keras_attention.migrate.LinearMonotonicAttention(8),
        keras_attention.migrate.decoder_block_from_keras_hub(module),
        keras_attention.migrate.decoder_block_from_torch(module),
        keras_attention.migrate.encoder_block_from_keras_hub(module),
        keras_attention.migrate.encoder_block_from_torch(module),
        keras_attention.migrate.multi_head_to_keras(
            keras_attention.migrate.multi_head_from_keras(module)
        ),
        keras_attention.migrate.multi_head_from_torch(module),
    ]
    assert_type(layers, list[keras.layers.Layer])
    keras_attention.migrate.attention_from_addons(weights, mode="soft")  # pyright: ignore[reportArgumentType]


def decode_step_by_step(query: Tensor, memory: Tensor) -> None:
    """Layers with a state, and their states."""
    attention = keras_attention.AdditiveAttention(8)
    decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(8), attention, attend="after")
    keras_attention.AttentionDecoder(None, attention, attend="never")  # pyright: ignore[reportArgumentType]
    state = decoder.get_initial_state(batch_size=2)
    assert_type(state, keras_attention.DecoderState)
    decoder.step(query, state, decoder.prepare(memory))

    layer = keras_attention.MultiHeadSelfAttention(2)
    cache = layer.get_initial_cache(batch_size=2, max_length=9)
    assert_type(cache, keras_attention.KeyValueCache)
    layer.get_initial_cache(2, "9")  # pyright: ignore[reportArgumentType]

    block = keras_attention.TransformerDecoderBlock(2, 16)
    assert_type(block.get_initial_cache(memory, 9), keras_attention.DecoderBlockCache)

    cell = keras_attention.NTMCell(8, controller="feedforward")
    cell.get_initial_state(batch_size=2)
    cell.split_outputs(query)
    reader = keras_attention.LSTMNCell(8, max_length=20, return_weights=True)
    reader.split_outputs(query)
    keras_attention.DeepFusionDecoder(8, max_length=20).get_initial_state(2)
    keras_attention.LSTMNCell("8", max_length=20)  # pyright: ignore[reportArgumentType]
    keras_attention.ResidualStack([keras.layers.GRUCell(8)] * 2).get_initial_state(2)
    keras_attention.NTMCell(8, memory_start="random")  # pyright: ignore[reportArgumentType]


def look(images: Tensor, centers: Tensor) -> None:
    """Glimpses."""
    keras_attention.read.glimpse(images, centers, size=8, scales=2)
    keras_attention.read.glimpse(images, centers, size="8")  # pyright: ignore[reportArgumentType]
    keras_attention.RecurrentGlimpses(6, cell=keras.layers.LSTMCell(256), units=256)
    keras_attention.visualize.glimpses([images], centers, size=8)
    keras_attention.RecurrentGlimpses(start="left")  # pyright: ignore[reportArgumentType]


def point(memory: Tensor) -> Tensor:
    """Pointer networks."""
    pointer = keras_attention.PointerDecoder(8, end_slot=True)
    pointer.decode(memory, beam_width="3")  # pyright: ignore[reportArgumentType]
    return pointer.decode(memory, beam_width=3, return_all_beams=True).indices


def learn_by_reinforce(inputs: Tensor, outputs: Tensor, losses: list[Tensor]) -> Tensor:
    """REINFORCE in `fit` and in a training loop."""
    model = keras_attention.ReinforceModel(inputs, outputs, reward_weight=0.1)
    return keras_attention.reinforce(losses, outputs, baseline=model.baseline)


def supervise_weights(targets: Tensor, weights: Tensor) -> Tensor:
    """A loss of attention weights."""
    keras_attention.AttentionLoss("l2")  # pyright: ignore[reportArgumentType]
    return keras_attention.AttentionLoss("cross_entropy", reduction="sum")(targets, weights)


def search(state: Nest, memory: Tensor) -> keras_attention.decoding.Decoded:
    """Decoding loops."""

    def step(tokens: Tensor, state: Nest, memory: Nest) -> tuple[Tensor, Nest, Tensor]:
        return tokens, state, memory

    tokens = np.zeros(2, "int32")
    keras_attention.decoding.greedy(step, state, tokens, "end", 9)  # pyright: ignore[reportArgumentType]
    keras_attention.decoding.greedy(step, state, tokens, end_token=1, max_length=9, memory=memory)
    seeds, temperature = np.zeros(2, "int32"), np.ones(2)
    keras_attention.decoding.sample(step, state, 0, 1, 9, top_k="9")  # pyright: ignore[reportArgumentType]
    keras_attention.decoding.sample(step, state, 0, 1, 9, temperature=temperature, seed=seeds)
    generator = keras.random.SeedGenerator(1)
    keras_attention.decoding.sample(step, state, 0, 1, 9, top_k=5, top_p=0.9, seed=generator)
    return keras_attention.decoding.beam_search(
        step, state, tokens, end_token=1, max_length=9, beam_width=3, length_penalty=0.6
    )


def compute_steps(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Score, mask, normalize, read."""
    scores: list[keras_attention.score.Score] = [
        keras_attention.score.AdditiveScore(units=8),
        keras_attention.score.CosineScore(strength=10.0),
        keras_attention.score.DotScore(use_scale=True),
        keras_attention.score.GeneralScore(),
        keras_attention.score.LocationAwareScore(units=8, filters=2, width=3),
        keras_attention.score.LocationScore(max_length=9),
        keras_attention.score.get("scaled_dot"),
    ]
    pairs = [score.compare(score.project_query(query), score.project_key(key)) for score in scores]

    visible = keras_attention.mask.combine(
        keras_attention.mask.around(query, width=2),
        keras_attention.mask.causal(3, 5),
        keras_attention.mask.padding(query_mask=None, key_mask=mask),
        keras_attention.mask.span(mask),
        keras_attention.mask.visited(query, 5),
        keras_attention.mask.window(3, 5, width=2),
        None,
    )

    value = keras_attention.mask.hide(value, mask)

    normalize = keras_attention.normalize.get("sparsemax")
    keras_attention.normalize.serialize(normalize)
    keras_attention.normalize.gaussian(pairs[0], visible, distance=pairs[1], deviation=2.0)
    keras_attention.normalize.hardmax(pairs[0], visible)
    keras_attention.normalize.linear(pairs[0], visible)
    ends = keras_attention.normalize.monotonic(pairs[0], visible, previous=pairs[1])
    keras_attention.normalize.monotonic_hard(pairs[0], visible, previous=pairs[1])
    keras_attention.normalize.chunkwise(pairs[0], visible, ends=ends, width=3)
    weights = keras_attention.normalize.segment_softmax(pairs[0], mask, 3, mask=mask)
    keras_attention.read.segment_sum(weights, value, segments=mask, count=3)
    keras_attention.normalize.smooth(pairs[0])
    keras_attention.normalize.softmax(pairs[0], mask=visible)
    keras_attention.normalize.sparsemax(pairs[0])
    keras_attention.normalize.masked(lambda scores: scores)(pairs[0], visible)
    keras_attention.normalize.get(3)  # pyright: ignore[reportArgumentType]
    return keras_attention.read.weighted_sum(normalize(pairs[0], visible), value)


def address(memory: Tensor, key: Tensor, weights: Tensor) -> Tensor:
    """The steps of a Neural Turing Machine's memory."""
    weights = keras_attention.memory.content(key, key, memory)
    weights = keras_attention.memory.interpolate(weights, weights, key)
    weights = keras_attention.memory.shift(weights, key)
    weights = keras_attention.memory.sharpen(weights, key)
    memory = keras_attention.memory.erase(memory, weights, key)
    return keras_attention.memory.add(memory, weights, key)


class NegativeDistance(keras_attention.score.Score):
    """A user's score."""

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        """Negative squared distances."""
        return -keras.ops.sum((query[..., :, None, :] - key[..., None, :, :]) ** 2, axis=-1)


def record_attention(inputs: Tensor) -> list[keras.callbacks.Callback]:
    """Callbacks, and the vectors of attention heads."""
    keras_attention.MultiHeadAttention(2).project([inputs, inputs], mask=None)
    images = keras_attention.callbacks.AttentionImages(
        inputs, Path("pictures"), [["a"], None], layers="pooling", tensorboard_directory="logs"
    )
    assert_type(images.get_path("pooling", 1), Path)
    return [images, keras_attention.callbacks.AttentionStatistics(inputs, layers=None)]


def draw(weights: Tensor, images: Tensor) -> None:
    """Pictures."""
    keras_attention.visualize.colored_text(weights, ["a", "b"], path="words.html")
    keras_attention.visualize.colored_text(weights, ["a"], scale="absolute", signed=True)
    keras_attention.visualize.colored_text(weights, ["a"], scale="log")  # pyright: ignore[reportArgumentType]
    view = keras_attention.visualize.head_view([weights], ["a"], ["b"], layer=0, heads=[0])
    assert_type(view, keras_attention.visualize.View)
    assert_type(view.page, str)
    view.save("view.html")
    view.draw().savefig("view.png")
    keras_attention.visualize.View(view.page, view.draw)
    keras_attention.visualize.model_view({"layer": weights}, ["a"], path=Path("view.html"))
    keras_attention.visualize.neuron_view(weights, weights, ["a"], mask=weights, token=0)
    keras_attention.visualize.series(weights, weights, labels=["a"], titles="b", path="series.png")
    keras_attention.visualize.graph([[0, 1]], weights, ["a", "b"], center=0, hops=1)
    keras_attention.visualize.heatmap(weights, ["a"], ["b"], path=Path("weights.png"))
    keras_attention.visualize.memory_film(weights, weights, title="copy")
    keras_attention.visualize.overlay(images, weights, upsampling="blocks", queries=[(0, 1)])
    keras_attention.visualize.overlay(images, weights, upsampling="cubic")  # pyright: ignore[reportArgumentType]
    assert_type(keras_attention.visualize.text_heatmap(weights, ["a"], ["b"]), str)


def look_inside(model: keras.Model) -> dict[str, np.ndarray | list[np.ndarray]]:
    """Attention weights of a model."""
    inputs = {"words": np.ones((2, 3)), "text": ["a", "b"]}
    keras_attention.attention_weights(model, inputs, batch_size="1")  # pyright: ignore[reportArgumentType]
    return keras_attention.attention_weights(model, inputs, layers=["heads"], batch_size=1)


def explain(weights: list[Tensor]) -> Tensor:
    """Attention rollout."""
    keras_attention.explain.rollout(weights, residual="half")  # pyright: ignore[reportArgumentType]
    return keras_attention.explain.rollout(weights, residual=0.5)


def explain_model(model: keras.Model, ids: Tensor) -> np.ndarray:
    """Gradients, deletion curves and agreement."""
    maps = keras_attention.explain.saliency(model, ids, of="words", method="integrated")
    keras_attention.explain.saliency(model, ids, method="lime")  # pyright: ignore[reportArgumentType]
    alignment = keras_attention.explain.jacobian(model, ids, of="words", reduce="sum")
    flows = keras_attention.explain.flow([alignment], positions=[0])
    result = keras_attention.explain.agreement(flows, maps, top=3)
    assert_type(result, keras_attention.explain.Agreement)
    return keras_attention.explain.deletion(model, ids, maps, fractions=[0.5]) + result.correlation


def export(model: keras.Model, inputs: dict[str, Tensor]) -> None:
    """SavedModels and servers."""
    spec = keras_attention.export.Spec("source", ("batch", "length"), "int32", below=1000)
    signatures = {
        "attention": keras_attention.export.attention_of(model),
        "explain": keras_attention.export.saliency_of(model, method="integrated"),
        "lengths": keras_attention.export.with_lengths(model, {"lengths": spec.name}),
        "seed": keras_attention.export.with_seed(model),
    }
    try:
        path = keras_attention.export.saved_model(model, "saved_models/name", signatures)
    except keras_attention.export.SelfCheckError:
        raise
    assert_type(path, Path)
    assert_type(keras_attention.export.how_to_serve(path), str)
    keras_attention.export.run_in_c_loader(path, "serving_default", inputs)
    keras_attention.export.check(path, trust=True, timeout=60)
    keras_attention.export.openapi(path)
    keras_attention.export.smoke("localhost:8501", path)
    keras_attention.export.triton(path, "models")
    keras_attention.export.label(path.parent, {"stable": 3, "canary": None})
    keras_attention.export.prune(path.parent, keep=2)
    keras_attention.export.prune(path.parent, keep="2")  # pyright: ignore[reportArgumentType]


def check_own_layer() -> None:
    """The promises, on a user's layer."""
    layer = keras_attention.Attention(score=NegativeDistance())
    keras_attention.testing.check_layer(layer, width=8)
    case = keras_attention.testing.LayerCase(
        keras_attention.Attention, call=keras_attention.testing.call_query_value
    )
    for check, arguments in keras_attention.testing.list_checks(case):
        check(case, *arguments)
    keras_attention.testing.request_scores(keras_attention.testing.call_query_value)
