"""Saliency equals gradients computed by hand or by differences, and leaves the model as it was."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_attention
from keras_attention.explain import saliency

METHODS = ("gradient", "gradient_input", "integrated", "smooth")
BACKEND = keras.backend.backend()


def numpy(x):
    return ops.convert_to_numpy(x)


def sample(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def make_linear(activation=None):
    """Return a model of (batch, 4) with 3 classes, and its kernel."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation=activation)])
    return model, numpy(model.weights[0])


def make_reader():
    """Return a model: ids (batch, time) -> a probability (batch, 1)."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, "normal", mask_zero=True, name="embedding")(ids)
    x = layers.GRU(5, return_sequences=True, name="gru")(x)
    x = keras_attention.AttentionPooling()(x)
    return keras.Model(ids, layers.Dense(1, activation="sigmoid", name="last")(x))


IDS = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])


@pytest.mark.parametrize("baseline", [None, 0.5, sample(4), sample(5, 4)])
def test_linear_model_gives_its_kernel(baseline):
    model, kernel = make_linear()
    x, classes = sample(5, 4), np.array([0, 2, 1, 1, 0])
    expected = kernel[:, classes].T
    difference = x - (0 if baseline is None else baseline)
    options = {"target": classes, "reduce": None, "batch_size": 2}
    for method, factor in zip(METHODS, (1, x, difference, 1), strict=True):
        actual = saliency(model, x, method=method, baseline=baseline, **options)
        assert actual.dtype == np.float32
        np.testing.assert_allclose(actual, factor * expected, rtol=1e-5, atol=1e-6)


def test_square_is_differentiated_as_by_hand():
    x = keras.Input((3, 2))
    model = keras.Model(x, ops.sum(x**2, axis=(1, 2))[:, None])
    values, start = sample(2, 3, 2), np.float32(0.25)
    hand = {
        "gradient": 2 * values,
        "gradient_input": 2 * values**2,
        # The mean of 2 x over the way is start + values; the midpoint rule is exact here.
        "integrated": (values - start) * (values + start),
    }
    for method, expected in hand.items():
        actual = saliency(model, values, method=method, baseline=start, steps=3, reduce=None)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        reductions = {
            "norm": np.sqrt((expected**2).sum(-1)),
            "sum": expected.sum(-1),
            "max": np.abs(expected).max(-1),
        }
        for reduce, values_by_position in reductions.items():
            actual = saliency(model, values, method=method, baseline=start, steps=3, reduce=reduce)
            np.testing.assert_allclose(actual, values_by_position, rtol=1e-4, atol=1e-6)


def test_integrated_gradients_of_a_relu_network_are_complete():
    hidden = [layers.Dense(128, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(3)])
    rng = np.random.default_rng(0)
    scales = [np.sqrt(2 / w.shape[0]) if len(w.shape) > 1 else 0.05 for w in model.weights]
    pairs = zip(scales, model.weights, strict=True)
    model.set_weights([scale * rng.standard_normal(w.shape) for scale, w in pairs])
    x = 3 * sample(32, 6)
    change = numpy(model(x) - model(np.zeros_like(x)))[:, 1]

    def measure(steps):
        maps = saliency(model, x, target=1, method="integrated", steps=steps, reduce=None)
        return np.abs(maps.sum(axis=1) - change).mean() / np.abs(change).mean()

    assert measure(50) < 0.01
    assert 0 < measure(400) < measure(4) / 10


def test_gradient_equals_finite_differences_and_is_zero_at_masked_steps():
    model = make_reader()
    embedding = model.get_layer("embedding")
    actual = saliency(model, IDS, of="embedding", reduce=None)
    assert not actual[0, 3:].any()
    assert np.abs(actual[0, :3]).min() > 0
    table, step = numpy(embedding.weights[0]).copy(), 1e-2

    def compute_logit(ids, new_table):
        embedding.set_weights([new_table])
        probability = numpy(model(ids))[:, 0].astype("float64")
        return np.log(probability / (1 - probability))

    for row, time, feature in ((0, 0, 1), (0, 2, 0), (1, 3, 2)):  # each id occurs only once
        shift = np.zeros_like(table)
        shift[IDS[row, time], feature] = step
        logits = [compute_logit(IDS[row : row + 1], table + sign * shift) for sign in (1, -1)]
        difference = (logits[0] - logits[1])[0] / (2 * step)
        assert actual[row, time, feature] == pytest.approx(difference, rel=1e-2, abs=1e-3)


def test_numbers_are_equal_on_all_backends():
    rng = np.random.default_rng(0)
    first, second, x = (rng.standard_normal(n).astype("float32") for n in ((2, 3), (3, 1), (1, 2)))
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(3, "tanh", use_bias=False), layers.Dense(1)]
    )
    model.set_weights([first, second, np.zeros(1)])

    def differentiate(x):
        return ((1 - np.tanh(x @ first) ** 2) * second[:, 0]) @ first.T

    np.testing.assert_allclose(saliency(model, x, reduce=None), differentiate(x), rtol=1e-4)
    noise = np.random.default_rng([7, 0]).standard_normal((5, 2), "float32")
    copies = x + 0.3 * (x.max() - x.min()) * noise
    options = {"method": "smooth", "samples": 5, "noise": 0.3, "seed": 7, "reduce": None}
    expected = differentiate(copies).mean(axis=0)[None]
    np.testing.assert_allclose(saliency(model, x, **options), expected, rtol=1e-4)


@pytest.mark.parametrize("form", ["activation", "activation layer", "layer", "operation", "nested"])
def test_final_softmax_is_left_out_unless_logits_is_false(form):
    model, kernel = make_linear("softmax" if form == "activation" else None)
    ends = {"activation layer": layers.Activation("softmax"), "layer": layers.Softmax()}
    if form in ends:
        model = keras.Sequential([keras.Input((4,)), *model.layers, ends[form]])
    elif form == "operation":
        model = keras.Model(model.inputs[0], ops.softmax(model.outputs[0]))
    elif form == "nested":
        inner = keras.Sequential([keras.Input((4,)), *model.layers, layers.Softmax()])
        inputs = keras.Input((4,))
        model = keras.Model(inputs, inner(inputs))
    x = sample(2, 4)
    expected = np.stack([kernel[:, 1]] * 2)
    actual = saliency(model, x, target=1, reduce=None)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    p = numpy(model(x))
    expected = p[:, 1:2] * (kernel[:, 1] - p @ kernel.T)
    actual = saliency(model, x, target=1, reduce=None, logits=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)


def test_predicted_class_is_explained_by_default():
    model, kernel = make_linear("softmax")
    x = sample(6, 4)
    expected = kernel[:, numpy(model(x)).argmax(axis=1)].T
    np.testing.assert_allclose(saliency(model, x, reduce=None), expected, rtol=1e-5, atol=1e-6)


def test_nested_subclassed_model_and_layer_that_is_called_twice():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = layers.Embedding(9, 4, mask_zero=True, name="words")
            vectors = keras.Input((None, 4))
            self.encoder = keras.Model(vectors, layers.GRU(5, name="gru")(vectors), name="encoder")
            self.encoder.supports_masking = True
            self.last = layers.Dense(2, activation="softmax")

        def call(self, inputs):
            left, right = (self.encoder(self.embed(ids)) for ids in inputs["pair"])
            return {"similar": self.last(ops.abs(left - right))}

    model, inputs = Pair(), {"pair": (IDS, IDS[::-1].copy())}
    model(inputs)

    def select(outputs):
        return outputs["similar"][:, 1]

    arrays = saliency(model, inputs, target=select, of="words")
    assert [array.shape for array in arrays] == [(2, 5), (2, 5)]
    assert not arrays[0][0, 3:].any() and not arrays[1][1, 3:].any()
    assert (arrays[0][1] > 0).all() and (arrays[1][0] > 0).all()
    by_path = saliency(model, inputs, target=select, of="encoder/gru", reduce=None)
    by_layer = saliency(
        model, inputs, target=select, of=model.encoder.get_layer("gru"), reduce=None
    )
    # The logit depends on the absolute difference, to which both sides contribute oppositely.
    np.testing.assert_allclose(by_path[0], -by_path[1], atol=1e-6)
    np.testing.assert_array_equal(by_path, by_layer)


def test_inputs_by_name_and_in_their_structure():
    inputs = {
        "image": keras.Input((2, 2, 1), name="image"),
        "scale": keras.Input((2, 1), name="scale"),
        "class": keras.Input((), dtype="int32", name="class"),
    }
    summed = ops.sum(inputs["image"], axis=(1, 2)) * ops.sum(inputs["scale"], axis=1)
    model = keras.Model(inputs, summed)
    values = {"image": sample(3, 2, 2, 1), "scale": sample(3, 2, 1), "class": np.zeros(3, int)}
    scale = np.abs(values["scale"].sum(axis=(1, 2)))
    np.testing.assert_allclose(
        saliency(model, values, of="image"), np.ones((3, 2, 2)) * scale[:, None, None], rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"floating-point.*Embedding.*'class'.*int32"):
        saliency(model, values)
    floats = keras.Model([inputs["image"], inputs["scale"]], summed)
    actual = saliency(floats, [values["image"], values["scale"].astype("float64")])
    assert [array.shape for array in actual] == [(3, 2, 2), (3, 2)]


def test_images_of_integers_are_differentiated_after_their_rescaling():
    image = keras.Input((4, 4, 1), dtype="uint8")
    x = layers.Rescaling(1 / 255, name="rescaling")(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    images = np.random.default_rng(0).integers(256, size=(2, 4, 4, 1), dtype="uint8")
    with pytest.raises(ValueError, match="Rescaling.*uint8"):
        saliency(model, images)
    assert saliency(model, images, of="rescaling").shape == (2, 4, 4)


def test_pixels_outside_of_all_glimpses_have_no_gradient():
    images, first = keras.Input((16, 16, 1), name="image"), keras.Input((2,), name="first")
    state, centers = keras_attention.RecurrentGlimpses(2, 4, 1, 8, seed=0)(
        images, first, return_locations=True
    )
    model = keras.Model([images, first], layers.Dense(3)(state))
    values = [np.random.default_rng(0).random((2, 16, 16, 1), "float32"), sample(2, 2).clip(-1, 1)]
    actual = saliency(model, values, of="image")
    places = numpy(keras.Model([images, first], centers)(values))
    rows, columns = np.mgrid[:16, :16] + 0.5
    for image, glimpses in zip(actual, places, strict=True):
        pixels = (glimpses + 1) / 2 * 16
        # A pixel contributes to a glimpse of 4 x 4 pixels, by interpolation, at less than 2.5.
        is_near = [(np.abs(rows - r) < 2.6) & (np.abs(columns - c) < 2.6) for r, c in pixels]
        is_near = np.any(is_near, axis=0)
        assert not image[~is_near].any()
        assert image[is_near].any()


def test_model_is_as_before():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 3))
    x = layers.BatchNormalization(name="norm")(inputs)
    x = layers.GaussianNoise(0.1, seed=3)(layers.ActivityRegularization(l2=0.1)(x))
    attend = keras_attention.HardAttention(seed=0, expectation_rate=0.0)
    x = layers.GlobalAveragePooling1D()(attend([x, x]))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="last")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    values, labels = sample(6, 4, 3), np.array([0, 1] * 3)
    model.fit(values, labels, verbose=0)
    output = numpy(model(values))

    def describe():
        metrics = {name: float(value) for name, value in model.get_metrics_result().items()}
        return [numpy(v) for v in model.variables], [float(numpy(x)) for x in model.losses], metrics

    def list_attributes():
        return [sorted(vars(layer)) for layer in model.layers]

    before, attributes = describe(), list_attributes()
    for method in METHODS:
        saliency(model, values, of="norm", method=method, steps=9, samples=9)
    after = describe()
    for old, new in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(old, new)
    assert before[1:] == after[1:]
    assert before[1] and list_attributes() == attributes
    np.testing.assert_array_equal(numpy(model(values)), output)
    assert model.get_layer("last").activation is keras.activations.softmax


def test_layers_are_restored_after_an_error():
    model = make_reader()
    layer = model.get_layer("embedding")
    with pytest.raises(ZeroDivisionError):
        saliency(model, IDS, of=layer, target=lambda outputs: outputs[:, 0] * (1 / 0))
    assert "call" not in vars(layer)


def test_numbers_do_not_depend_on_the_batch_size():
    model = make_reader()
    for method in ("gradient", "smooth"):
        options = {"of": "embedding", "method": method, "samples": 2, "seed": 5}
        together = saliency(model, IDS, **options)
        alone = saliency(model, IDS, batch_size=1, **options)
        np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-6)
    again = saliency(model, IDS, of="embedding", method="smooth", samples=2)
    assert np.abs(again - together).max() > 0


def test_half_precision_gives_float32():
    inputs = keras.Input((3, 4))
    x = layers.Dense(4, activation="tanh", dtype="mixed_bfloat16", name="half")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    for method in ("gradient", "integrated"):
        actual = saliency(model, sample(2, 3, 4), of="half", method=method, steps=3)
        assert actual.dtype == np.float32 and np.isfinite(actual).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"floating-point numbers.*`of=` the name of the Embedding.*'ids'.*int32"),
        ({"of": "word"}, r"`of` to be one layer or input.*'embedding'.*of='word'"),
        ({"of": layers.Dense(2)}, "`of` to be one layer or input"),
        ({"of": "gru/gru_cell"}, "not called in a loop.*gru/gru_cell"),
        ({"of": "embedding", "target": 1}, r"range \[0, 1\).*target=1"),
        ({"of": "embedding", "target": -1}, r"range \[0, 1\).*target=-1"),
        ({"of": "embedding", "target": [0]}, r"integer for each.*\(2, 1\).*\(1,\)"),
        ({"of": "embedding", "target": 0.5}, "`target` to be None, an integer.*float64"),
        ({"of": "embedding", "target": lambda x: x}, r"return \(batch,\).*\(2, 1\)"),
        ({"of": "embedding", "method": "lime"}, "Expected `method` to be one of"),
        ({"of": "embedding", "reduce": "mean"}, "Expected `reduce` to be one of"),
        ({"of": "embedding", "steps": 0}, "Expected `steps` to be an integer"),
        (
            {"of": "embedding", "method": "integrated", "baseline": [1, 2, 3]},
            "`baseline`.*\\(3,\\)",
        ),
        ({"of": "last"}, r"\(batch, ..., features\).*reduce=None.*\(2, 1\)"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    model = make_reader()
    with pytest.raises(ValueError, match=message):
        saliency(model, IDS, **options)


def test_unbuilt_model_sequences_and_unequal_batches_are_refused():
    with pytest.raises(ValueError, match="weights exist"):
        saliency(keras.Sequential([layers.Dense(2)]), sample(2, 3))
    model = keras.Sequential([keras.Input((3, 2)), layers.Dense(4)])
    with pytest.raises(ValueError, match=r"\(batch, classes\).*function.*\(1, 3, 4\)"):
        saliency(model, sample(1, 3, 2))
    a, b = keras.Input((2, 1)), keras.Input((2, 1))
    model = keras.Model([a, b], layers.Flatten()(a + b))
    with pytest.raises(ValueError, match=r"same number of examples.*\(2, 2, 1\), \(3, 2, 1\)"):
        saliency(model, [sample(2, 2, 1), sample(3, 2, 1)])


@pytest.mark.skipif(
    BACKEND != "torch" or importlib.util.find_spec("captum") is None, reason="needs captum"
)
def test_numbers_are_those_of_captum():
    from captum import attr

    hidden = [layers.Dense(8, activation="tanh"), layers.Dense(3)]
    model = keras.Sequential([keras.Input((4,)), *hidden])
    x = ops.convert_to_tensor(sample(3, 4))
    expected = attr.Saliency(model).attribute(x, target=1, abs=False)
    actual = saliency(model, x, target=1, reduce=None)
    np.testing.assert_allclose(actual, numpy(expected), rtol=1e-4, atol=1e-6)
    expected = attr.IntegratedGradients(model).attribute(
        x, target=1, n_steps=20, method="riemann_middle"
    )
    actual = saliency(model, x, target=1, method="integrated", steps=20, reduce=None)
    np.testing.assert_allclose(actual, numpy(expected), rtol=1e-4, atol=1e-6)
