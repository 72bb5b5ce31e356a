"""PyTorch's attention and Transformer modules give the same outputs after conversion."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.migrate import (
    decoder_block_from_torch,
    decoder_from_torch,
    encoder_block_from_torch,
    encoder_from_torch,
    multi_head_from_torch,
    transformer_from_torch,
)

torch = pytest.importorskip("torch", reason="PyTorch is optional")
nn = torch.nn

BATCH, TARGET, SOURCE, WIDTH, HEADS, HIDDEN = 2, 4, 5, 8, 2, 12
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, TARGET, WIDTH)).astype("float32")
MEMORY = RNG.normal(size=(BATCH, SOURCE, WIDTH)).astype("float32")
X_MASK = np.array([[True] * 4, [True] * 3 + [False]])
MEMORY_MASK = np.array([[True] * 5, [True, False, True, True, False]])
SIZES = {"d_model": WIDTH, "nhead": HEADS, "dim_feedforward": HIDDEN, "batch_first": True}
OPTIONS = {
    "default": {},
    "norm_first": {"norm_first": True, "layer_norm_eps": 1e-2},
    "gelu": {"activation": "gelu", "dropout": 0.3},
    "gelu_module": {"activation": nn.GELU(), "batch_first": False},
    "no_bias": {"bias": False, "activation": nn.ReLU()},
}
CAUSAL = nn.Transformer.generate_square_subsequent_mask(TARGET)


def randomize(module):
    """Draw all parameters, including gamma and beta, and return the module in inference mode."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def as_tensor(x):
    return torch.from_numpy(np.asarray(x))


def numpy(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else ops.convert_to_numpy(x)


def call(module, *inputs, **masks):
    """Call a module with the batch first, whatever its own order is."""
    attention = getattr(module, "self_attn", module)
    inputs = [as_tensor(x) for x in inputs]
    if not attention.batch_first:
        return module(*(x.transpose(0, 1) for x in inputs), **masks).transpose(0, 1)
    return module(*inputs, **masks)


def assert_close(result, expected, mask=X_MASK):
    result, expected = numpy(result), numpy(expected)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(result[mask], expected[mask], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(result[~mask], 0)


@pytest.mark.parametrize("name", OPTIONS)
def test_encoder_block(name):
    module = randomize(nn.TransformerEncoderLayer(**{**SIZES, **OPTIONS[name]}))
    block = encoder_block_from_torch(module)
    expected = call(module, X, src_key_padding_mask=as_tensor(~X_MASK))
    assert_close(block(X, mask=X_MASK), expected)
    dropout = OPTIONS[name].get("dropout", 0.1)
    assert (block.dropout, block.attention_dropout) == (dropout, dropout)


def test_encoder_block_with_a_causal_mask():
    module = randomize(nn.TransformerEncoderLayer(**SIZES))
    expected = call(module, X, src_mask=CAUSAL, is_causal=True)
    result = encoder_block_from_torch(module)(X, use_causal_mask=True)
    assert_close(result, expected, np.ones_like(X_MASK))


@pytest.mark.parametrize("name", OPTIONS)
def test_decoder_block(name):
    module = randomize(nn.TransformerDecoderLayer(**{**SIZES, **OPTIONS[name]}))
    block = decoder_block_from_torch(module)
    expected = call(
        module,
        X,
        MEMORY,
        tgt_mask=CAUSAL.isinf(),
        tgt_key_padding_mask=as_tensor(~X_MASK),
        memory_key_padding_mask=as_tensor(~MEMORY_MASK),
    )
    result = block(X, MEMORY, inputs_mask=X_MASK, memory_mask=MEMORY_MASK)
    assert_close(result, expected)


def run_stack(blocks, norm, x, *memory, **masks):
    for block in blocks:
        x = block(x, *memory, **masks)
    return x if norm is None else norm(x)


def test_encoder_and_decoder_without_a_last_normalization():
    module = randomize(nn.TransformerEncoder(nn.TransformerEncoderLayer(**SIZES), 2))
    blocks, norm = encoder_from_torch(module)
    assert (len(blocks), norm) == (2, None)
    assert_close(run_stack(blocks, norm, X), module(as_tensor(X)), np.ones_like(X_MASK))
    module = randomize(nn.TransformerDecoder(nn.TransformerDecoderLayer(**SIZES), 2))
    blocks, norm = decoder_from_torch(module)
    assert (len(blocks), norm) == (2, None)
    expected = module(as_tensor(X), as_tensor(MEMORY), tgt_mask=CAUSAL)
    assert_close(run_stack(blocks, norm, X, MEMORY), expected, np.ones_like(X_MASK))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("options", [{}, {"norm_first": True, "bias": False}], ids=str)
def test_transformer(options):
    options = {"num_encoder_layers": 2, "num_decoder_layers": 2, **options}
    module = randomize(nn.Transformer(**SIZES, **options))
    encoder, decoder = transformer_from_torch(module)
    assert all(isinstance(norm, keras.layers.LayerNormalization) for _, norm in (encoder, decoder))
    expected = module(
        as_tensor(MEMORY),
        as_tensor(X),
        tgt_mask=CAUSAL.isinf(),
        src_key_padding_mask=as_tensor(~MEMORY_MASK),
        tgt_key_padding_mask=as_tensor(~X_MASK),
        memory_key_padding_mask=as_tensor(~MEMORY_MASK),
    )
    memory = run_stack(*encoder, MEMORY, mask=MEMORY_MASK)
    masks = {"inputs_mask": X_MASK, "memory_mask": MEMORY_MASK}
    result = numpy(run_stack(*decoder, X, memory, **masks))
    np.testing.assert_allclose(result[X_MASK], numpy(expected)[X_MASK], rtol=1e-4, atol=1e-5)


MULTI_HEAD = {
    "default": {},
    "no_bias": {"bias": False},
    "widths": {"kdim": 6, "vdim": 7, "dropout": 0.2},
    "batch_second": {"batch_first": False},
}


@pytest.mark.parametrize("name", MULTI_HEAD)
def test_multi_head_attention(name):
    options = {"batch_first": True, **MULTI_HEAD[name]}
    module = randomize(nn.MultiheadAttention(WIDTH, HEADS, **options))
    value = MEMORY[..., : module.vdim]
    inputs = [as_tensor(x) for x in (X, MEMORY[..., : module.kdim], value)]
    if not module.batch_first:
        inputs = [x.transpose(0, 1) for x in inputs]
    pairs = np.tri(TARGET, SOURCE, 1) > 0
    expected, weights = module(
        *inputs,
        key_padding_mask=as_tensor(~MEMORY_MASK),
        attn_mask=as_tensor(~pairs),
        average_attn_weights=False,
    )
    if not module.batch_first:
        expected = expected.transpose(0, 1)
    layer = multi_head_from_torch(module)
    result, result_weights = layer(
        [X, value, MEMORY[..., : module.kdim]],
        mask=[None, MEMORY_MASK],
        attention_mask=pairs,
        return_attention_scores=True,
    )
    np.testing.assert_allclose(numpy(result), numpy(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(result_weights), numpy(weights), atol=1e-5)
    assert layer.dropout == module.dropout


def test_float_masks_are_attention_biases():
    module = randomize(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    bias = RNG.normal(size=(TARGET, TARGET)).astype("float32")
    expected, _ = module(*[as_tensor(X)] * 3, attn_mask=as_tensor(bias))
    layer = multi_head_from_torch(module, keras_attention.MultiHeadAttention)
    np.testing.assert_allclose(numpy(layer(X, attention_bias=bias)), numpy(expected), atol=1e-5)


def test_dtypes():
    module = randomize(nn.TransformerEncoderLayer(**SIZES)).to(torch.bfloat16)
    block = encoder_block_from_torch(module, dtype="mixed_bfloat16")
    assert block.dtype_policy.name == "mixed_bfloat16"
    expected = encoder_block_from_torch(module.float())(X)
    result = ops.cast(block(X), "float32")
    np.testing.assert_allclose(numpy(result), numpy(expected), atol=0.1)


class OwnLayer(nn.TransformerEncoderLayer):
    """A subclass, which may compute anything."""


def change(module, **attributes):
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def encoder_layer(**options):
    return nn.TransformerEncoderLayer(**{**SIZES, **options})


REFUSED = {
    "add_bias_kv": (
        multi_head_from_torch,
        lambda: nn.MultiheadAttention(WIDTH, HEADS, add_bias_kv=True),
    ),
    "add_zero_attn": (
        multi_head_from_torch,
        lambda: nn.MultiheadAttention(WIDTH, HEADS, add_zero_attn=True),
    ),
    "activation": (encoder_block_from_torch, lambda: encoder_layer(activation=nn.SiLU())),
    "GELU": (
        encoder_block_from_torch,
        lambda: encoder_layer(activation=nn.GELU(approximate="tanh")),
    ),
    "layer_norm_eps": (
        encoder_block_from_torch,
        lambda: change(encoder_layer(), norm2=nn.LayerNorm(WIDTH, eps=1e-3)),
    ),
    "torch.nn.LayerNorm": (
        encoder_block_from_torch,
        lambda: change(encoder_layer(), norm2=nn.BatchNorm1d(WIDTH)),
    ),
    "dropout": (
        encoder_block_from_torch,
        lambda: change(encoder_layer(), dropout2=nn.Dropout(0.7)),
    ),
    "torch.nn.TransformerEncoderLayer itself": (encoder_block_from_torch, lambda: OwnLayer(8, 2)),
    "torch.nn.TransformerDecoderLayer": (decoder_block_from_torch, encoder_layer),
    "torch.nn.TransformerEncoder ": (encoder_from_torch, encoder_layer),
    "torch.nn.TransformerDecoder ": (decoder_from_torch, encoder_layer),
    "torch.nn.Transformer ": (transformer_from_torch, encoder_layer),
    "torch.nn.MultiheadAttention": (multi_head_from_torch, lambda: nn.Linear(2, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_modules_without_a_counterpart_are_refused(name):
    convert, create = REFUSED[name]
    with pytest.raises(ValueError, match=f"Expected .*{name}.* Received"):
        convert(create())


def test_wrong_kind_is_refused():
    with pytest.raises(ValueError, match="Expected `kind`"):
        multi_head_from_torch(nn.MultiheadAttention(WIDTH, HEADS), keras.layers.Dense)
