"""Local-m reads in bands what it reads query by query where the same positions are given."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LocalAttention
from keras_attention.kernels.band import rows_of_block
from tests.gradients import gradients

BATCH, WIDTH = 3, 5
RNG = np.random.default_rng(0)
# Queries, keys, window: several blocks, with and without a rest; one block; a wide window; one.
SIZES = [(70, 83, 2), (64, 40, 9), (100, 100, 40), (7, 90, 3), (6, 5, 50), (1, 9, 2)]
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)


def numpy(x):
    return ops.convert_to_numpy(x)


def inputs(queries, keys, dtype="float32"):
    return [RNG.normal(size=(BATCH, n, WIDTH)).astype(dtype) for n in (queries, keys)]


def masks(kind, queries, keys):
    """What a call is given, of masks of queries and keys, and which are real."""
    real = [np.ones((BATCH, n), bool) for n in (queries, keys)]
    for n, mask in zip((queries, keys), real, strict=True):
        if "right" in kind:
            mask[1, -(n // 3) - 1 :] = False
        if "left" in kind:
            mask[0, : n // 3] = False
        if "holes" in kind:
            mask &= RNG.random((BATCH, n)) < 0.7
        if "nothing" in kind:
            mask[2] = False
    options = {"use_causal_mask": "causal" in kind}
    if kind != "none":
        options["mask"] = [real[0], None if kind == "queries left" else real[1]]
    if "pairs" in kind:
        options["attention_mask"] = RNG.random((BATCH, queries, keys)) < 0.6
    return options, real


KINDS = ["none", "right", "left right", "holes", "nothing", "causal", "left causal holes", "pairs"]
KINDS += ["queries left", "pairs causal right nothing"]


def layers(score, window, **options):
    layer = LocalAttention(window, "monotonic", score, units=3, **options)
    layer(inputs(2, 3))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def counted(real):
    return np.maximum(np.cumsum(real, axis=-1) - 1, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize("sizes", SIZES)
def test_bands_are_what_each_query_reads_alone(kind, score, sizes):
    *lengths, window = sizes
    layer, data = layers(score, window), inputs(*lengths)
    options, (real, _) = masks(kind, *lengths)
    alone = layer(data, positions=counted(real), return_attention_scores=True, **options)
    found = layer(data, return_attention_scores=True, **options)
    for got, want in zip(found, alone, strict=True):
        np.testing.assert_allclose(numpy(got), numpy(want), atol=1e-5)
    np.testing.assert_array_equal(numpy(layer(data, **options)), numpy(found[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_so_are_their_gradients(kind, score):
    lengths, layer = (70, 83), layers(score, 4)
    data, (options, (real, _)) = inputs(*lengths), masks(kind, *lengths)

    def of(**more):
        def loss(query, value):
            return ops.sum(layer([query, value], **options, **more) ** 2)

        return gradients(loss, data, layer.trainable_variables)

    for got, want in zip(of(), of(positions=counted(real)), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("kind", ["right", "left right", "holes", "nothing", "left causal holes"])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_masked_cannot_matter(kind, poison):
    lengths, layer = (70, 70), layers("general", 4)
    clean, (options, real) = inputs(*lengths), masks(kind, *lengths)
    poisoned = [
        np.where(mask[..., None], x, np.float32(poison))
        for x, mask in zip(clean, real, strict=True)
    ]

    def everything(data):
        def loss(query, value):
            output, weights = layer([query, value], return_attention_scores=True, **options)
            return ops.sum(output**2) + ops.sum(weights**2)

        output = numpy(layer(data, **options))
        assert (output[~real[0]] == 0).all()
        return [output, *gradients(loss, data, layer.trainable_variables)]

    for got, want in zip(everything(poisoned), everything(clean), strict=True):
        np.testing.assert_array_equal(got, want)


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["none", "left causal holes", "pairs"])
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_unknown_sizes_become_known_in_a_graph(jit_compile, kind, score):
    import tensorflow as tf

    layer = layers(score, 4)

    specs = [tf.TensorSpec((None, None, WIDTH))] * 2 + [tf.TensorSpec((None, None), "bool")] * 2
    specs += [tf.TensorSpec((None, None, None), "bool")]

    @tf.function(jit_compile=jit_compile, input_signature=specs)
    def step(query, value, query_mask, key_mask, pairs):
        options = {"use_causal_mask": "causal" in kind}
        if kind != "none":
            options["mask"] = [query_mask, key_mask]
        if kind == "pairs":
            options["attention_mask"] = pairs
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            found = layer([query, value], return_attention_scores=True, **options)
            loss = sum(tf.reduce_sum(x**2) for x in found)
        return *found, *tape.gradient(loss, [query, value])

    for lengths in [(70, 83), (3, 9), (40, 33)]:
        data, (options, real) = inputs(*lengths), masks(kind, *lengths)
        pairs = options.get("attention_mask", np.ones((BATCH, *lengths), bool))
        found = step(*data, *real, pairs)
        wanted = layer(data, return_attention_scores=True, **options)

        def loss(query, value, options=options):
            return sum(
                ops.sum(x**2)
                for x in layer([query, value], return_attention_scores=True, **options)
            )

        for got, want in zip(found, [*wanted, *gradients(loss, data)], strict=True):
            np.testing.assert_allclose(numpy(got), numpy(want), atol=1e-4)


@pytest.mark.parametrize("lengths", [(70, 83), (5, 9)])
def test_dropout_is_that_of_the_seed_and_of_each_window(lengths):
    data = inputs(*lengths)
    data[1][:] = np.eye(lengths[1], WIDTH)
    read = [
        numpy(LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=seed)(data, training=True))
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(read[0], read[1])
    assert abs(read[0] - read[2]).max() > 0.1


def test_dropping_weights_of_bands_keeps_their_mean():
    layer = LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=3)
    query, value = np.zeros((1, 4000, 3), "float32"), np.ones((1, 4000, 3), "float32")
    dropped, weights = layer([query, value], training=True, return_attention_scores=True)
    dropped = numpy(dropped)[0, :, 0]
    np.testing.assert_allclose(dropped.mean(), 1, atol=0.03)
    # Of nine weights 1/9 each a binomially distributed number is kept, times 2.
    np.testing.assert_allclose(dropped[4:-4].std(), 1 / 3, atol=0.03)
    np.testing.assert_allclose(numpy(weights).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16"])
def test_low_precision_gives_the_same_in_bands(policy):
    layer, data = layers("dot", 4, dtype=policy), inputs(70, 83)
    options, (real, _) = masks("left causal holes", 70, 83)
    found = layer([100 * x for x in data], **options)
    alone = layer([100 * x for x in data], positions=counted(real), **options)
    assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    found, alone = (numpy(ops.cast(x, "float32")) for x in (found, alone))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, alone, atol=1e-2, rtol=1e-2)


def test_the_sizes_above_make_several_blocks():
    assert [-(-n // rows_of_block(n, w)) for n, _, w in SIZES] == [3, 2, 3, 1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_of_sentences_is_read_in_bands_of_each(kind):
    lengths, layer = (70, 83), layers("general", 4)
    data, (options, _) = inputs(*lengths), masks(kind, *lengths)

    def stacked(x):
        return x if x is None or isinstance(x, bool) else np.stack([x, x[::-1]])

    alone = layer(data, return_attention_scores=True, **options)
    given = {
        name: [stacked(x) for x in each] if name == "mask" else stacked(each)
        for name, each in options.items()
    }
    found = layer([stacked(x) for x in data], return_attention_scores=True, **given)
    for got, want in zip(found, alone, strict=True):
        np.testing.assert_allclose(numpy(got), stacked(numpy(want)), atol=1e-5)
