import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import SelfAttention2D
from tests import reference, reference_image
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64
from tests.gradients import gradients

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype("float32")
VARIANTS = {
    "paper": {"key_reduction": 3, "value_reduction": 3},
    "first version": {"key_reduction": 3, "value_reduction": None},
    "released": {"key_reduction": 3, "value_reduction": 2, "pool_keys": True},
}
every_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())


def numpy(x):
    return ops.convert_to_numpy(x)


def build_layer(images=IMAGES, dtype="float32", **options):
    layer = SelfAttention2D(dtype=dtype, **options)
    layer(images)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def compute_expected(layer, images):
    weights = {w.path.split("/")[-2]: numpy(w).astype("float64") for w in layer.weights[1:]}
    kernels = [weights[f"{n}_projection"] for n in ("query", "key", "value")]
    kernels.append(weights.get("output_projection"))
    gamma = float(numpy(layer.gamma))
    return reference.for_each_sequence(
        lambda x: reference_image.self_attention_2d(x, gamma, *kernels, layer.pool_keys), images
    )


@every_variant
def test_matches_the_papers_formula(variant):
    layer = build_layer(**variant)
    actual = layer(IMAGES, return_attention_scores=True)
    for result, correct in zip(actual, compute_expected(layer, IMAGES), strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-5, atol=1e-5)


@only_with_float64
@every_variant
def test_matches_the_papers_formula_to_ten_digits_in_float64(variant):
    images = IMAGES.astype("float64")
    layer = build_layer(images, dtype="float64", **variant)
    actual = layer(images, return_attention_scores=True)
    for result, correct in zip(actual, compute_expected(layer, images), strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-10, atol=1e-10)


@every_variant
def test_gradients_match_finite_differences(variant):
    layer = build_layer(dtype=GRAD_DTYPE, **variant)
    assert (
        abs(float(numpy(layer.gamma))) > 0.1
    )  # otherwise the convolutions' gradients would vanish
    factors = np.random.default_rng(2).normal(size=IMAGES.shape).astype(GRAD_DTYPE)

    def formula(images, *weights):
        kernels = [*weights[1:], None][:4]
        outputs = [
            reference_image.self_attention_2d(x, weights[0], *kernels, layer.pool_keys)[0]
            for x in images
        ]
        return np.sum(outputs * factors)

    def loss(images):
        return ops.sum(ops.multiply(layer(images), factors))

    assert_gradients_match(loss, formula, [IMAGES], layer.weights)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@every_variant
def test_starts_as_the_identity(variant, dtype):
    image = ops.cast(IMAGES, dtype.removeprefix("mixed_"))
    output = numpy(ops.cast(SelfAttention2D(dtype=dtype, **variant)(image), "float32"))
    np.testing.assert_array_equal(output, numpy(ops.cast(image, "float32")))


@pytest.mark.parametrize("spectral_normalization", [False, True])
def test_convolutions_have_gradients_from_the_second_step_on(spectral_normalization):
    layer = SelfAttention2D(key_reduction=3, spectral_normalization=spectral_normalization)
    layer(IMAGES)

    def train_step():
        actual = gradients(
            lambda x: ops.sum(ops.subtract(layer(x), IMAGES[::-1]) ** 2),
            [IMAGES],
            layer.trainable_variables,
        )[1:]
        for variable, gradient in zip(layer.trainable_variables, actual, strict=True):
            variable.assign(numpy(variable) - 0.01 * gradient)
        return [bool(np.abs(gradient).max() > 0) for gradient in actual]

    assert [v.name for v in layer.trainable_variables] == ["gamma"] + 4 * ["kernel"]
    assert train_step() == [True, False, False, False, False]
    assert train_step() == [True, True, True, True, True]


def test_layer_is_equivariant_to_permuted_pixels():
    order = np.random.default_rng(3).permutation(15)

    def permute(images):
        return np.reshape(np.reshape(images, (2, 15, 7))[:, order], images.shape)

    layer = build_layer()
    output, weights = map(numpy, layer(IMAGES, return_attention_scores=True))
    permuted, permuted_weights = map(numpy, layer(permute(IMAGES), return_attention_scores=True))
    np.testing.assert_allclose(permuted, permute(output), atol=1e-5)
    np.testing.assert_allclose(permuted_weights, weights[:, order][:, :, order], atol=1e-6)


@every_variant
def test_channels_first_equals_channels_last_transposed(variant):
    last = build_layer(**variant)
    first = build_layer(IMAGES.transpose(0, 3, 1, 2), data_format="channels_first", **variant)
    first.set_weights(last.get_weights())
    correct, expected_weights = map(numpy, last(IMAGES, return_attention_scores=True))
    result, weights = first(IMAGES.transpose(0, 3, 1, 2), return_attention_scores=True)
    np.testing.assert_allclose(numpy(result).transpose(0, 2, 3, 1), correct, atol=1e-6)
    np.testing.assert_allclose(numpy(weights), expected_weights, atol=1e-7)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@every_variant
def test_model_accepts_images_of_any_size(variant, data_format):
    is_last = data_format == "channels_last"
    layer = SelfAttention2D(data_format=data_format, **variant)
    inputs = keras.Input((None, None, 7) if is_last else (7, None, None))
    outputs = layer(inputs, return_attention_scores=True)
    assert tuple(outputs[0].shape) == tuple(inputs.shape)
    assert tuple(outputs[1].shape) == (None, None, None)
    model = keras.Model(inputs, outputs)
    for height, width in [(3, 5), (4, 6), (1, 1), (1, 7)]:
        shape = (2, height, width, 7) if is_last else (2, 7, height, width)
        output, weights = model(np.ones(shape, "float32"))
        keys = -(-height // 2) * -(-width // 2) if layer.pool_keys else height * width
        assert tuple(output.shape) == shape
        assert tuple(weights.shape) == (2, height * width, keys)
        symbolic = layer(keras.KerasTensor(shape), return_attention_scores=True)
        assert [tuple(x.shape) for x in symbolic] == [tuple(x.shape) for x in (output, weights)]
        np.testing.assert_allclose(numpy(ops.sum(weights, axis=-1)), 1, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs")
def test_reshapes_in_a_graph_infer_an_unknown_batch_size():
    """tf2onnx converts a reshape wrongly if the batch size in it is computed at run time."""
    import tensorflow as tf

    layer = SelfAttention2D(key_reduction=2)
    layer.build((None, None, None, 6))
    images = tf.TensorSpec((None, None, None, 6))
    operations = tf.function(layer).get_concrete_function(images).graph.get_operations()
    reshapes = [op for op in operations if op.type == "Reshape"]
    shapes = [op.inputs[1].op for op in reshapes if op.outputs[0].shape.rank == 3]
    batches = [tf.get_static_value(shape.inputs[0]) for shape in shapes if shape.type == "Pack"]
    assert batches[:3] == [-1, -1, -1]  # queries, keys, values
