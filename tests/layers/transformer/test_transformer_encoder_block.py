import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import TransformerEncoderBlock
from tests import reference
from tests.compile_model import compile_model
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
from tests.layers.multi_head.multi_head_formulas import build_seeded, numpy
from tests.layers.transformer.transformer_formulas import HIDDEN, VARIANTS, encode_formula

X = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
MASK = np.arange(7) < np.array([[7], [4]])
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def build_block(variant, x=X, **options):
    return build_seeded(
        TransformerEncoderBlock(hidden_dim=HIDDEN, **VARIANTS[variant], **options), x
    )


@every_variant
@pytest.mark.parametrize("is_causal", [False, True])
def test_matches_the_papers_formula(variant, is_causal):
    block = build_block(variant)
    actual = block(X, mask=MASK, use_causal_mask=is_causal, return_attention_scores=True)
    expected = reference.for_each_sequence(
        lambda x, mask: encode_formula(block, x, mask, is_causal), X, MASK
    )
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", ["post", "pre"])
def test_gradients_match_finite_differences(variant):
    x, mask = X[:1, :3], np.array([True, True, False])
    block = build_block(variant, x.astype(GRAD_DTYPE), dtype=GRAD_DTYPE)
    factors = np.random.default_rng(2).normal(size=x.shape).astype(GRAD_DTYPE)

    def loss(x):
        return ops.sum(ops.multiply(block(x, mask=mask[None]), factors))

    def formula(x):
        return np.sum(encode_formula(block, x[0], mask)[0] * factors[0])

    (grad_x,) = assert_gradients_match(loss, formula, [x])
    np.testing.assert_array_equal(grad_x[0, 2], 0)


def test_post_norm_block_equals_pytorchs_encoder_layer():
    torch = pytest.importorskip("torch")
    block = build_block("post")
    theirs = torch.nn.TransformerEncoderLayer(
        6, 2, HIDDEN, dropout=0.0, layer_norm_eps=1e-6, batch_first=True
    ).eval()
    q, qb, k, kb, v, vb, o, ob, g1, b1, w1, c1, w2, c2, g2, b2 = (
        torch.tensor(numpy(w).T) for w in block.weights
    )
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([q, k, v]),
            "self_attn.in_proj_bias": torch.cat([qb, kb, vb]),
            "self_attn.out_proj.weight": o,
            "self_attn.out_proj.bias": ob,
            "norm1.weight": g1,
            "norm1.bias": b1,
            "linear1.weight": w1,
            "linear1.bias": c1,
            "linear2.weight": w2,
            "linear2.bias": c2,
            "norm2.weight": g2,
            "norm2.bias": b2,
        }
    )
    with torch.no_grad():
        expected = theirs(torch.tensor(X), src_key_padding_mask=torch.tensor(~MASK)).numpy()
    actual = numpy(block(X, mask=MASK))
    np.testing.assert_allclose(actual[MASK], expected[MASK], rtol=1e-4, atol=1e-5)


@every_variant
def test_parts_with_a_cache_match_the_causal_block(variant):
    block, outputs = build_block(variant), []
    cache = block.get_initial_cache(2, 11)
    for first, last in [(0, 3), (3, 4), (4, 7)]:
        output, cache = block(X[:, first:last], cache=cache)
        outputs.append(numpy(output))
    expected = numpy(block(X, use_causal_mask=True))
    np.testing.assert_allclose(np.concatenate(outputs, 1), expected, rtol=1e-4, atol=1e-5)


@every_variant
def test_keras_masks_are_used_and_propagated(variant):
    block, masking = build_block(variant), keras.layers.Masking()
    implicit = block(masking(X * MASK[..., None]))
    np.testing.assert_allclose(numpy(implicit), numpy(block(X, mask=MASK)), atol=1e-6)
    pooled = numpy(keras.layers.GlobalAveragePooling1D()(implicit))
    means = [x[m].mean(0) for x, m in zip(numpy(implicit), MASK, strict=True)]
    np.testing.assert_allclose(pooled, means, atol=1e-5)


def test_sublayers_have_independent_dropout():
    block = build_block("post", dropout=0.5, attention_dropout=0.5, seed=5)
    parts = block.self_attention, block.around_self_attention, block.around_feed_forward
    assert len({getattr(part, "drop", part).seed for part in parts}) == 3
    inference, training_output = (numpy(block(X, training=t)) for t in (False, True))
    assert np.abs(inference - training_output).max() > 0.1


def test_stack_learns_in_half_precision_to_copy_the_token_two_positions_earlier():
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 5, size=(64, 6))
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 8, dtype="mixed_bfloat16")(inputs)
    for norm in ("post", "pre"):
        x = TransformerEncoderBlock(
            2, 16, norm=norm, rotary_base=100.0, dropout=0.0, dtype="mixed_bfloat16"
        )(x)
    model = keras.Model(inputs, keras.layers.Dense(5, dtype="float32")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.backend.backend() != "torch"
    compile_model(model, keras.optimizers.Adam(0.01), loss, jit_compile=jit)
    history = model.fit(tokens, np.roll(tokens, 2, axis=1), epochs=25, verbose=0, shuffle=False)
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]


def test_inputs_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"Expected `inputs` .batch, T, width.*inputs .2, 6."):
        TransformerEncoderBlock(2, 3)(X[:, 0])
