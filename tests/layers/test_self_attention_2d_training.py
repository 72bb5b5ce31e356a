import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import SelfAttention2D
from tests.compile_model import compile_model

IMAGES = np.random.default_rng(0).normal(size=(6, 3, 5, 7)).astype("float32")
JIT = keras.backend.backend() != "torch"
PROJECTIONS = ["query", "key", "value", "output"]


def numpy(x):
    return ops.convert_to_numpy(x)


def kernels(layer):
    layers = [getattr(layer, f"{name}_projection") for name in PROJECTIONS]
    if layer.spectral_normalization:
        layers = [wrapper.layer for wrapper in layers]
    return [numpy(dense.kernel) for dense in layers]


def spectral_norms(layer):
    return [np.linalg.svd(kernel, compute_uv=False)[0] for kernel in kernels(layer)]


def test_spectral_normalization_gives_each_convolution_norm_1():
    keras.utils.set_random_seed(0)
    layer = SelfAttention2D(key_reduction=3, spectral_normalization=True)
    layer(IMAGES)
    assert min(np.abs(np.subtract(spectral_norms(layer), 1))) > 0.1
    for _ in range(8):
        layer(IMAGES, training=True)
    np.testing.assert_allclose(spectral_norms(layer), 1, rtol=0.05)


def test_only_training_calls_update_spectral_normalization():
    layer = SelfAttention2D(key_reduction=3, spectral_normalization=True)
    layer(IMAGES)
    before = [numpy(w).copy() for w in layer.weights]
    layer(IMAGES, training=False)
    for weight, old_weight in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), old_weight)
    layer(IMAGES, training=True)
    is_changed = [
        np.abs(numpy(w) - b).max() > 0 for w, b in zip(layer.weights, before, strict=True)
    ]
    assert is_changed == [False] + 8 * [True]  # gamma; a kernel and a vector for each convolution


@pytest.mark.parametrize(
    ("data_format", "dtype"),
    [
        ("channels_last", "float32"),
        ("channels_first", "mixed_float16"),
        ("channels_last", "bfloat16"),
    ],
)
def test_released_variant_trains_compiled_and_survives_saving(data_format, dtype, tmp_path):
    keras.utils.set_random_seed(0)
    images = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    inputs = keras.Input([None if n in (3, 5) else n for n in images.shape[1:]])
    layer = SelfAttention2D(
        3, pool_keys=True, spectral_normalization=True, data_format=data_format, dtype=dtype
    )
    model = keras.Model(inputs, layer(inputs))
    compile_model(model, keras.optimizers.SGD(0.05), "mse", jit_compile=JIT)
    target = images + images.mean((1, 2) if data_format == "channels_last" else (2, 3))[0].mean()
    losses = model.fit(images, target, epochs=8, batch_size=3, verbose=0).history["loss"]
    assert model.jit_compile == JIT
    assert np.isfinite(losses).all() and float(numpy(layer.gamma)) != 0
    if keras.backend.backend() != "jax":  # on JAX, Keras does not store the divided kernel
        np.testing.assert_allclose(spectral_norms(layer), 1, rtol=0.2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]
    actual = [numpy(ops.cast(m(images), "float32")) for m in (model, loaded)]
    np.testing.assert_array_equal(*actual)


def test_weight_decay_and_regularizer_do_not_change_gamma():
    layer = SelfAttention2D(key_reduction=3, kernel_regularizer="l2")
    layer(IMAGES)
    layer.gamma.assign(0.5)
    assert len(layer.losses) == 4
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["gamma"])
    before = kernels(layer)
    optimizer.apply([ops.zeros(v.shape) for v in layer.trainable_variables], layer.weights)
    assert float(numpy(layer.gamma)) == 0.5
    assert all((np.abs(a) < np.abs(b)).all() for a, b in zip(kernels(layer), before, strict=True))


def test_reduction_by_more_than_the_channels_leaves_one_channel():
    layer = SelfAttention2D(key_reduction=8, value_reduction=8)
    layer(IMAGES)
    assert [k.shape for k in kernels(layer)] == [(7, 1), (7, 1), (7, 1), (1, 7)]


def test_queries_and_keys_start_with_different_kernels():
    layer = SelfAttention2D(key_reduction=3, kernel_initializer=keras.initializers.HeNormal())
    layer(IMAGES)
    query, key, *_ = kernels(layer)
    assert np.abs(query - key).max() > 0.01


def test_half_precision_overflow_does_not_give_nan():
    float16_max = np.finfo("float16").max
    layer = SelfAttention2D(key_reduction=3, pool_keys=True, dtype="mixed_float16")
    images = np.sign(IMAGES) * float16_max
    layer(images)
    layer.gamma.assign(1.0)
    output, weights = layer(images.astype("float16"), return_attention_scores=True)
    assert not np.isnan(numpy(output)).any()
    np.testing.assert_allclose(numpy(weights).astype("float32").sum(-1), 1, atol=2e-3)


@pytest.mark.parametrize("shape", [(3, 7), (3, 5, 7), (2, 3, 5, 7, 2), (2, 3, 5, None)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_inputs_that_are_not_images_are_refused(shape, data_format):
    if data_format == "channels_first" and len(shape) == 4:
        shape = (shape[0], shape[3], *shape[1:3])
    layer = SelfAttention2D(data_format=data_format)
    with pytest.raises(ValueError, match="Expected `inputs` of shape .* Received: inputs of shape"):
        layer(keras.KerasTensor(shape))
