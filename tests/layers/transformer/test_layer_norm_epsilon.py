"""`layer_norm_epsilon` and the initializers of Transformer blocks."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("size", [0.005, 0.02])
def test_block_with_pytorchs_weights_and_epsilon_matches_pytorch(norm, size):
    torch = pytest.importorskip("torch")
    x = (size * np.random.default_rng(0).normal(size=(2, 5, 16))).astype("float32")
    torch.manual_seed(0)
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 32, dropout=0.0, batch_first=True, norm_first=norm == "pre"
    ).eval()
    p = [w.detach().numpy() for w in theirs.parameters()]
    projections = zip(np.split(p[0], 3), np.split(p[1], 3), strict=True)
    qkv = [y for w, b in projections for y in (w.T, b)]
    block = keras_attention.TransformerEncoderBlock(
        4, 32, dropout=0.0, norm=norm, layer_norm_epsilon=1e-5
    )
    block(x)
    block.set_weights([*qkv, p[2].T, p[3], p[8], p[9], p[4].T, p[5], p[6].T, p[7], p[10], p[11]])
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(block(x)), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "block", [keras_attention.TransformerEncoderBlock, keras_attention.TransformerDecoderBlock]
)
def test_config_without_the_new_keys_loads_with_the_defaults(block):
    config = block(2, 6, layer_norm_epsilon=1e-3, kernel_initializer="zeros").get_config()
    assert block.from_config(config).get_config() == config
    assert config["layer_norm_epsilon"] == 1e-3
    for name in ("layer_norm_epsilon", "kernel_initializer", "bias_initializer"):
        del config[name]
    loaded = block.from_config(config).get_config()
    assert loaded["layer_norm_epsilon"] == 1e-6
    assert loaded["kernel_initializer"]["class_name"] == "GlorotUniform"


def test_initializers_apply_to_every_kernel_and_bias():
    block = keras_attention.TransformerDecoderBlock(
        2,
        6,
        kernel_initializer=keras.initializers.RandomNormal(stddev=5.0, seed=0),
        bias_initializer="ones",
    )
    block(np.ones((1, 3, 4), "float32"), np.ones((1, 2, 4), "float32"))
    arrays = {w.path.split("/", 1)[1]: ops.convert_to_numpy(w) for w in block.weights}
    kernels = [x for name, x in arrays.items() if "kernel" in name]
    assert len(kernels) == 10 and all(2 < x.std() < 9 for x in kernels)
    biases = [x for name, x in arrays.items() if "bias" in name]
    assert len(biases) == 10 and all((x == 1).all() for x in biases)
