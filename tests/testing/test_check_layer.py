"""`check_layer` on layers of this package, of Keras and of users."""

import keras
import pytest
from keras import ops

import keras_attention
from keras_attention.testing import LayerCase, check_layer, list_checks, request_scores


@keras.saving.register_keras_serializable(package="tests")
class CarefulAttention(keras.layers.Layer):
    """Scaled dot-product attention that keeps every promise, without this package."""

    def __init__(self, temperature=1.0, **kwargs):
        if not temperature > 0:
            raise ValueError(
                f"Expected `temperature` to be positive. Received: temperature={temperature!r}"
            )
        super().__init__(**kwargs)
        self.temperature = temperature
        self.supports_masking = True

    def build(self, input_shape):
        query_shape, value_shape = input_shape
        self.kernel = self.add_weight(shape=(query_shape[-1], value_shape[-1]), name="kernel")

    def compute_mask(self, inputs, mask=None):
        return None

    def call(
        self,
        inputs,
        mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        self._check(inputs, mask, attention_mask)
        query, value = (ops.cast(x, self.compute_dtype) for x in inputs)
        query_mask, value_mask = mask or (None, None)
        visible = self._combine(query, value, query_mask, value_mask, attention_mask)
        if use_causal_mask:
            offset = ops.shape(value)[1] - ops.shape(query)[1]
            rows, columns = ops.arange(ops.shape(query)[1]), ops.arange(ops.shape(value)[1])
            visible = ops.logical_and(visible, columns[None] <= rows[:, None] + offset)
        query = self._zero(query, ops.any(visible, axis=2))
        value = self._zero(value, ops.any(visible, axis=1))
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        query, keys = (ops.clip(ops.cast(x, dtype), -1e9, 1e9) for x in (query, value))
        projected = ops.matmul(query, self.kernel)
        scores = ops.matmul(projected, ops.swapaxes(keys, 1, 2)) / self.temperature
        weights = ops.softmax(ops.where(visible, scores, -3e38))
        weights = ops.cast(ops.where(visible, weights, 0.0), self.compute_dtype)
        output = ops.matmul(weights, value)
        return (output, weights) if return_attention_scores else output

    def _check(self, inputs, mask, attention_mask):
        if len(inputs) != 2 or mask is not None and len(mask) != 2:
            raise ValueError(f"Expected two `inputs`, two masks. Received: {inputs}, mask={mask}")
        (query, value), (query_mask, value_mask) = inputs, mask or (None, None)
        batch, queries = query.shape[:2]
        keys = value.shape[1] if len(value.shape) > 1 else None
        for name, x, shape in [
            ("query", query, (batch, queries, None)),
            ("value", value, (batch, keys, None)),
            ("query_mask", query_mask, (batch, queries)),
            ("value_mask", value_mask, (batch, keys)),
            ("attention_mask", attention_mask, (queries, keys)),
        ]:
            self._check_tensor(name, x, shape)

    def _check_tensor(self, name, x, shape):
        if x is None:
            return
        is_tensor = hasattr(x, "shape")
        received = f"Received: {name} of {tuple(x.shape) if is_tensor else x}"
        if not is_tensor or len(x.shape) != len(shape):
            raise ValueError(f"Expected `{name}` of shape {shape}. {received}")
        pairs = zip(x.shape, shape, strict=True)
        is_mask = "mask" in name
        is_wrong_dtype = is_mask and keras.backend.standardize_dtype(x.dtype) != "bool"
        if is_wrong_dtype or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(f"Expected `{name}` of shape {shape}, a mask of bool. {received}")

    def _combine(self, query, value, query_mask, value_mask, attention_mask):
        visible = ops.ones((ops.shape(query)[0], ops.shape(query)[1], ops.shape(value)[1]), "bool")
        if query_mask is not None:
            visible = ops.logical_and(visible, ops.expand_dims(query_mask, 2))
        if value_mask is not None:
            visible = ops.logical_and(visible, ops.expand_dims(value_mask, 1))
        if attention_mask is not None:
            visible = ops.logical_and(visible, attention_mask)
        return visible

    def _zero(self, x, mask):
        return ops.where(ops.expand_dims(mask, 2), x, ops.zeros_like(x))

    def compute_output_spec(
        self, inputs, mask=None, attention_mask=None, return_attention_scores=False, **options
    ):
        self._check(inputs, mask, attention_mask)
        query, value = inputs
        output = keras.KerasTensor((*query.shape[:2], value.shape[2]), self.compute_dtype)
        weights = keras.KerasTensor((*query.shape[:2], value.shape[1]), self.compute_dtype)
        return (output, weights) if return_attention_scores else output

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


def test_careful_layer_passes():
    check_layer(
        CarefulAttention(temperature=2.0),
        all_arguments={"temperature": 3.0},
        wrong_arguments=[({"temperature": 0}, "temperature=0")],
    )


def test_keras_layer_is_refused_by_the_first_promise_that_it_breaks():
    with pytest.raises(AssertionError) as refusal:
        check_layer(keras.layers.Attention())
    assert str(refusal.value).startswith(
        "Attention() breaks the promise: a fully masked query returns zero"
    )


def test_checks_can_be_listed_for_a_test_runner():
    case = LayerCase(keras_attention.AdditiveAttention)
    names = {check.__name__ for check, _ in list_checks(case)}
    assert {"check_fully_masked_query_returns_zero", "check_frozen_layer_is_not_trained"} <= names
    without_masks = list_checks(LayerCase(keras_attention.AdditiveAttention, takes_masks=False))
    assert "check_masked_inputs_have_no_effect" not in {
        check.__name__ for check, _ in without_masks
    }


def test_layer_with_sub_layers_is_created_again_in_another_dtype():
    score = keras_attention.score.DotScore(use_scale=True)
    layer = keras_attention.Attention(score=score)
    dtypes = []

    @request_scores
    def call(layer, query, value, query_mask, value_mask, **options):
        dtypes.append((layer.dtype_policy.name, layer.score.dtype_policy.name))
        return layer([query, value], mask=[query_mask, value_mask], **options)

    check_layer(layer, call=call)
    assert {("float32", "float32"), ("mixed_float16", "mixed_float16")} <= set(dtypes)
    assert all(outer == inner for outer, inner in dtypes)
    assert not layer.built
