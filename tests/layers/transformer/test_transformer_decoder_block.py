import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import DecoderBlockCache, TransformerDecoderBlock
from keras_attention.testing.backends import compile_function as compiled
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
from tests.layers.multi_head.multi_head_formulas import build_seeded, numpy
from tests.layers.transformer.transformer_formulas import HIDDEN, VARIANTS, decode_formula

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 6)).astype("float32")
MEMORY = RNG.normal(size=(2, 7, 3)).astype("float32")
MASK = np.arange(5) < np.array([[5], [3]])
MEMORY_MASK = np.arange(7) < np.array([[4], [7]])
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def build_block(variant, inputs=(X, MEMORY), **options):
    block = TransformerDecoderBlock(hidden_dim=HIDDEN, **VARIANTS[variant], **options)
    return build_seeded(block, *inputs)


def assert_near(actual, expected):
    np.testing.assert_allclose(numpy(actual), numpy(expected), rtol=1e-4, atol=1e-5)


@every_variant
def test_matches_the_papers_formula(variant):
    block = build_block(variant)
    actual = block(X, MEMORY, MASK, MEMORY_MASK, return_attention_scores=True)
    expected = reference.for_each_sequence(
        lambda *x: decode_formula(block, *x), X, MEMORY, MASK, MEMORY_MASK
    )
    assert len(actual) == len(expected) == 3
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["post", "pre"])
def test_gradients_match_finite_differences(variant):
    arrays = X[:1, :2], MEMORY[:1, :3]
    block = build_block(variant, [x.astype(GRAD_DTYPE) for x in arrays], dtype=GRAD_DTYPE)
    factors = np.random.default_rng(2).normal(size=(1, 2, 6)).astype(GRAD_DTYPE)
    masks = np.ones(2, bool), np.ones(3, bool)

    def loss(x, memory):
        return ops.sum(ops.multiply(block(x, memory), factors))

    def formula(x, memory):
        return np.sum(decode_formula(block, x[0], memory[0], *masks)[0] * factors[0])

    assert_gradients_match(loss, formula, arrays)


@every_variant
@pytest.mark.parametrize("parts", [[1, 1, 1, 1, 1], [2, 3], [5]], ids=str)
def test_decoding_in_parts_with_a_cache_matches_one_call(variant, parts):
    block = build_block(variant)
    one_call = block(X, MEMORY, MASK, MEMORY_MASK, return_attention_scores=True)
    cache, outputs, all_weights = block.get_initial_cache(MEMORY, 11, MEMORY_MASK), [], []
    first = 0
    for size in parts:
        part = slice(first, first + size)
        output, _, weights, cache = block(
            X[:, part], inputs_mask=MASK[:, part], cache=cache, return_attention_scores=True
        )
        outputs.append(numpy(output))
        all_weights.append(numpy(weights))
        first += size
    assert_near(np.concatenate(outputs, 1), one_call[0])
    assert_near(np.concatenate(all_weights, 2), one_call[2])


def test_cached_step_runs_in_a_compiled_loop():
    block = build_block("pre")

    def run(x, memory):
        def step(index, written, outputs):
            token = ops.slice(x, (0, index, 0), (2, 1, 6))
            output, cache = block(token, cache=DecoderBlockCache(written, prepared))
            outputs = ops.slice_update(outputs, (0, index, 0), output)
            return index + 1, tuple(cache.written), outputs

        written, prepared = block.get_initial_cache(memory, 5)
        start = (ops.convert_to_tensor(0), tuple(written), ops.zeros_like(x))
        return ops.while_loop(lambda i, *_: i < 5, step, start, maximum_iterations=5)[2]

    assert_near(compiled(run)(*map(ops.convert_to_tensor, (X, MEMORY))), block(X, MEMORY))


def test_memory_is_projected_once():
    block, calls = build_block("post"), []
    prepare = block.cross_attention.prepare

    def record_call(*args, **kwargs):
        calls.append(args)
        return prepare(*args, **kwargs)

    block.cross_attention.prepare = record_call
    cache = block.get_initial_cache(MEMORY, 5)
    for i in range(5):
        _, cache = block(X[:, i : i + 1], cache=cache)
    assert len(calls) == 1


def test_keras_masks_are_used_and_propagated():
    block, masking = build_block("post"), keras.layers.Masking()
    x, memory = masking(X * MASK[..., None]), masking(MEMORY * MEMORY_MASK[..., None])
    expected = block(X, MEMORY, inputs_mask=MASK, memory_mask=MEMORY_MASK)
    implicit = block(x, memory)
    assert_near(implicit, expected)
    pooled = keras.layers.GlobalAveragePooling1D()(implicit)
    assert_near(pooled, [x[m].mean(0) for x, m in zip(numpy(expected), MASK, strict=True)])
    first, _ = block(X[:, :1], cache=block.get_initial_cache(memory, 5))
    assert_near(first, expected[:, :1])


def test_exactly_one_of_memory_and_cache_is_required():
    block = build_block("post")
    cache = block.get_initial_cache(MEMORY, 5)
    with pytest.raises(ValueError, match="Expected either `memory` or `cache`"):
        block(X, MEMORY, cache=cache)
    with pytest.raises(ValueError, match="Expected either `memory` or `cache`"):
        block(X)
    with pytest.raises(ValueError, match=r"Expected `memory_mask` of shape .2, 7.*of shape .2, 5"):
        block(X, MEMORY, memory_mask=MASK)
    with pytest.raises(ValueError, match="Expected a layer that is built"):
        TransformerDecoderBlock(2, 3).get_initial_cache(MEMORY, 5)


def test_step_is_a_functional_model_that_can_be_saved(tmp_path):
    block = build_block("grouped")
    start = block.get_initial_cache(MEMORY, 5, MEMORY_MASK)
    leaves = [ops.convert_to_tensor(x) for x in keras.tree.flatten(start)]
    inputs = [keras.Input((1, 6))] + [
        keras.Input(x.shape[1:], dtype=keras.backend.standardize_dtype(x.dtype)) for x in leaves
    ]
    output, next_cache = block(inputs[0], cache=keras.tree.pack_sequence_as(start, inputs[1:]))
    model = keras.Model(inputs, [output, *keras.tree.flatten(next_cache)])
    model.save(tmp_path / "step.keras")
    reloaded, outputs = keras.saving.load_model(tmp_path / "step.keras"), []
    for i in range(5):
        output, *leaves = reloaded([ops.convert_to_tensor(X[:, i : i + 1]), *leaves])
        outputs.append(numpy(output))
    assert_near(np.concatenate(outputs, 1), block(X, MEMORY, memory_mask=MEMORY_MASK))
