"""The code in docs/from_tensorflow_addons.md runs and gives the numbers of the other packages."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import LuongAttention, migrate

PAGE = (Path(__file__).parents[1] / "docs" / "from_tensorflow_addons.md").read_text("utf-8")
BATCH, STEPS, WIDTH, UNITS, SIZE = 2, 5, 4, 3, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, STEPS, WIDTH)).astype("float32")
MASK = np.array([[True] * 5, [True] * 3 + [False] * 2])
ADDONS = """
AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauAttention LuongAttention
BahdanauMonotonicAttention LuongMonotonicAttention hardmax monotonic_attention safe_cumprod
BasicDecoder BasicDecoderOutput BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState
FinalBeamSearchDecoderOutput gather_tree gather_tree_from_array tile_batch BaseDecoder Decoder
dynamic_decode SequenceLoss sequence_loss CustomSampler GreedyEmbeddingSampler InferenceSampler
SampleEmbeddingSampler Sampler ScheduledEmbeddingTrainingSampler ScheduledOutputTrainingSampler
TrainingSampler
""".split()


def sample(*shape):
    return RNG.normal(size=shape).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def softmax(scores, mask=True):
    exponentials = np.exp(np.where(mask, scores, -np.inf))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def page():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
    return names


@pytest.mark.parametrize("name", ADDONS)
def test_page_has_every_public_name_of_addons(name):
    assert re.search(rf"`{name}\b", PAGE)


def test_names_of_this_package_on_the_page_exist():
    for path in re.findall(r"`(?:keras_attention\.)?((?:migrate|decoding|normalize)\.\w+)", PAGE):
        folder, name = path.split(".")
        assert hasattr(getattr(keras_attention, folder), name), path


def test_kernel_of_addons_needs_its_halves_swapped_in_luong_attention():
    query, kernel = sample(BATCH, WIDTH), sample(2 * WIDTH, SIZE)
    layer = LuongAttention("dot", units=SIZE)
    layer([query, X])
    layer.set_weights([np.concatenate([kernel[WIDTH:], kernel[:WIDTH]])])
    linear = migrate.LinearAttention(SIZE, score="dot")
    linear([query, X])
    linear.set_weights([kernel])
    expected = np.tanh(numpy(linear([query, X])))
    np.testing.assert_allclose(numpy(layer([query, X])), expected, atol=1e-5)


def test_inputs_are_projected_before_the_cell(page):
    """The steps of the wrapper, written as a loop of the decoder's parts."""
    decoder, inputs = page["projected"], sample(BATCH, 3, 2)
    results = numpy(decoder(inputs, X, memory_mask=MASK))
    cell, attention = decoder.cell, np.zeros((BATCH, SIZE), "float32")
    states = cell.get_initial_state(BATCH)
    for t in range(3):
        projected = cell.projection(np.concatenate([inputs[:, t], attention], axis=-1))
        output, states = cell.cell(projected, states)
        attention = numpy(decoder.attention([output, X], mask=[None, MASK]))
        np.testing.assert_allclose(results[:, t], attention, atol=1e-5)


@pytest.mark.parametrize("name", ["decoder", "projected"])
def test_decoder_from_the_page_can_be_saved_and_loaded(page, name, tmp_path):
    arrays = [sample(BATCH, 3, page[name]._cell_width - SIZE if page[name].built else 2), X]
    inputs = [keras.Input(x.shape[1:]) for x in arrays]
    decoder = type(page[name]).from_config(page[name].get_config())
    model = keras.Model(inputs, decoder(*inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    results = [numpy(m(arrays)) for m in (model, loaded)]
    np.testing.assert_array_equal(*results)


def test_monotonic_attention_of_probabilities(page):
    # The first test of `monotonic_attention` in Raffel et al.: a fair coin at every key.
    chosen = np.array([[0.5, 0.5, 0.999999]], "float32")
    first = page["monotonic_attention"](chosen, np.eye(3, dtype="float32")[[0]])
    np.testing.assert_allclose(numpy(first), [[0.5, 0.25, 0.25]], atol=1e-5)
    second = page["monotonic_attention"](chosen, first)
    np.testing.assert_allclose(numpy(second), [[0.25, 0.25, 0.5]], atol=1e-5)


def test_decoding_returns_hypotheses(page):
    assert page["greedy"].tokens.shape == page["sampled"].tokens.shape == (2, 5)
    assert page["best"].tokens.shape == (2, 4, 5)
    assert page["best"].alignments.shape == (2, 4, 5, 9)


def test_scheduled_sampling_with_probability_zero_is_teacher_forcing(page):
    targets, seed = np.array([[1, 3, 4, 2], [1, 5, 2, 0]], "int32"), keras.random.SeedGenerator(0)
    call = page["decode_with_scheduled_sampling"]
    logits = call(targets, page["source"], page["mask"], 0.0, seed)
    outputs = page["decoder"](page["embed"](targets[:, :-1]), page["source"])
    np.testing.assert_allclose(numpy(logits), numpy(page["project"](outputs)), atol=1e-5)
    sampled = call(targets, page["source"], page["mask"], 1.0, seed)
    np.testing.assert_allclose(numpy(sampled)[:, 0], numpy(logits)[:, 0], atol=1e-5)
    assert not np.allclose(numpy(sampled)[:, -1], numpy(logits)[:, -1], atol=1e-3)


def test_loss_is_the_weighted_mean(page):
    logits, weights = sample(2, 3, 7), np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]], "float32")
    targets = np.array([[1, 2, 3], [4, 5, 6]])
    losses = -np.log(np.take_along_axis(softmax(logits), targets[..., None], -1))[..., 0]
    result = page["sequence_loss"](targets, logits, sample_weight=weights)
    expected = (losses * weights).sum() / weights.sum()
    np.testing.assert_allclose(numpy(result), expected, rtol=1e-5)
    np.testing.assert_allclose(numpy(page["loss"]), np.log(1 + np.exp(-3) + np.exp(-2)), rtol=1e-5)


def set_weights(layer, inputs, weights):
    layer(inputs)
    layer.set_weights(weights)
    return layer


def test_package_attention(page):
    kernel, output = sample(WIDTH, WIDTH), sample(2 * WIDTH, SIZE)
    v, w1, w2 = sample(WIDTH, 1), sample(WIDTH, WIDTH), sample(WIDTH, WIDTH)
    query = X[:, -1]
    luong = np.einsum("bi,bji->bj", query, X @ kernel)
    bahdanau = (np.tanh((query @ w1)[:, None] + X @ w2) @ v)[..., 0]
    for score, scores, weights in [
        ("general", luong, page["convert_luong"](kernel, output)),
        ("concat", bahdanau, page["convert_bahdanau"](v, w1, w2, output)),
    ]:
        context = np.einsum("bj,bjd->bd", softmax(scores), X)
        expected = np.tanh(np.concatenate([context, query], axis=-1) @ output)
        layer = set_weights(LuongAttention(score, units=SIZE), [query, X], weights)
        np.testing.assert_allclose(numpy(layer([query, X])), expected, atol=1e-5)


@pytest.mark.parametrize("width", [None, 3, 4])
@pytest.mark.parametrize("history_only", [False, True])
def test_seq_self_attention(page, width, history_only):
    Wt, Wx, bh, Wa = sample(WIDTH, UNITS), sample(WIDTH, UNITS), sample(UNITS), sample(UNITS, 1)
    hidden = np.tanh((X @ Wt)[:, :, None] + (X @ Wx)[:, None] + bh)
    visible, band = np.ones((STEPS, STEPS), bool), None
    for t, j in np.ndindex(STEPS, STEPS):
        if history_only:
            visible[t, j] = t - (width or STEPS) < j <= t
        elif width is not None:
            visible[t, j] = -(width // 2) <= j - t <= (width - 1) // 2
    expected = softmax((hidden @ Wa)[..., 0], visible) @ X
    layer = keras_attention.AdditiveAttention(UNITS, use_bias=True)
    set_weights(layer, X, page["convert_seq_self_attention"](Wt, Wx, bh, Wa))
    if width is not None:
        band = page["create_band"](STEPS, width, history_only)
    result = layer(X, attention_mask=band, use_causal_mask=history_only)
    np.testing.assert_allclose(numpy(result), expected, atol=1e-5)


def test_multiplicative_and_weighted_attention(page):
    kernel, pooling = sample(WIDTH, WIDTH), sample(WIDTH, 1)
    layer = set_weights(keras_attention.Attention("general"), X, [kernel])
    expected = softmax(X @ kernel @ X.swapaxes(1, 2), MASK[:, None]) @ X
    result = numpy(layer(X, mask=MASK))
    np.testing.assert_allclose(result[MASK], expected[MASK], atol=1e-5)
    weights = softmax((X @ pooling)[..., 0], MASK)
    result = page["pool_by_weights"](X, MASK, pooling)
    np.testing.assert_allclose(numpy(result), np.einsum("bj,bjd->bd", weights, X), atol=1e-5)


def test_multi_head_attention_without_activation():
    heads, width = 2, 4
    weights = [sample(*shape) for shape in ((width, width), (width,)) * 4]
    wq, bq, wk, bk, wv, bv, wo, bo = weights

    def split(y):
        return y.reshape(BATCH, STEPS, heads, width // heads).swapaxes(1, 2)

    q, k, v = split(X @ wq + bq), split(X @ wk + bk), split(X @ wv + bv)
    context = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(width // heads)) @ v
    expected = context.swapaxes(1, 2).reshape(BATCH, STEPS, width) @ wo + bo
    layer = set_weights(keras_attention.MultiHeadSelfAttention(heads), X, weights)
    np.testing.assert_allclose(numpy(layer(X)), expected, rtol=1e-4, atol=1e-5)
