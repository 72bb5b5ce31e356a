"""Record the attention weights of the layers that a model calls."""

import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.explain.find_layers import LOOPING_LAYERS, NamedLayer, can_return_scores
from keras_attention.explain.join_arrays import check_equal_counts, join
from keras_attention.explain.layer_weights import compute_layer_weights
from keras_attention.explain.loop_steps import run_steps
from keras_attention.kernels.traced import is_traced
from keras_attention.layers.each_step import EachStep
from keras_attention.precision import HALF_PRECISION
from keras_attention.tensors import attach_keras_masks, list_keras_masks
from keras_attention.types import Tensor

Recorded = dict[str, list[np.ndarray]]


class Recorder:
    """Handles intercepted calls: calls the layer as it is, then again to compute its weights.

    The second call has the same arguments, and its effects on variables are discarded. A looping
    layer is called as it is, and also step by step, so that the calls inside it are intercepted.

    weights: The arrays of each call, by the key of the weights.
    traced: Paths of the layers that were called inside a function while a backend traced it.
    """

    def __init__(self, scope: keras.StatelessScope) -> None:
        self.weights: Recorded = collections.defaultdict(list)
        self.traced: set[str] = set()
        self._scope = scope
        self._is_paused = False

    def handle(self, named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        """Return what the layer returns to its caller; a handler for `intercept_calls`."""
        layer = named_layer.layer
        if self._is_paused:
            return call(*args, **kwargs)
        if is_traced((args, kwargs)):
            self.traced.add(named_layer.path)
            return call(*args, **kwargs)
        if isinstance(layer, LOOPING_LAYERS):
            with self._discard_effects(layer):
                self._record_loop(layer, args, kwargs)
            with self._pause():
                return call(*args, **kwargs)
        if isinstance(layer, EachStep) and not can_return_scores(layer):
            return self._record_each_step(call, args, kwargs)
        with self._pause():
            masks = list_keras_masks((args, kwargs))
            outputs = call(*args, **kwargs)
            attach_keras_masks(masks)
            with self._discard_effects(layer):
                parts = compute_layer_weights(layer, call, args, kwargs, outputs)
        for part, weights in parts.items():
            key = f"{named_layer.path}/{part}" if part else named_layer.path
            self.weights[key].append(to_array(weights))
        return outputs

    def _record_loop(self, layer, args, kwargs):
        """Record the weights of a looping layer's steps, stacked along axis 1."""
        weights_of_steps = {}
        with self._collect_separately() as weights:
            for index, mask in run_steps(layer, args, kwargs):
                if mask is not None:
                    hide_rows(weights, ops.convert_to_numpy(mask))
                weights_of_steps[index] = dict(weights)
                weights.clear()
        steps = [weights_of_steps[index] for index in sorted(weights_of_steps)]
        for key in dict.fromkeys(key for step in steps for key in step):
            calls = [step.get(key, []) for step in steps]
            check_equal_counts(key, calls, "time steps")
            for arrays in zip(*calls, strict=True):
                self.weights[key].append(join([x[:, None] for x in arrays], axis=1))

    def _record_each_step(self, call, args, kwargs):
        """Call an `EachStep`, whose layer gets all steps as one batch; split the batch again."""
        inputs = args[0] if args else kwargs["inputs"]
        with self._collect_separately() as weights:
            outputs = call(*args, **kwargs)
        for key, arrays in weights.items():
            self.weights[key] += [x.reshape(*inputs.shape[:2], *x.shape[1:]) for x in arrays]
        return outputs

    @contextlib.contextmanager
    def _collect_separately(self) -> Iterator[Recorded]:
        outer, self.weights = self.weights, collections.defaultdict(list)
        try:
            yield self.weights
        finally:
            self.weights = outer

    @contextlib.contextmanager
    def _pause(self) -> Iterator[None]:
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    @contextlib.contextmanager
    def _discard_effects(self, layer: Any) -> Iterator[None]:
        """Discard what a layer assigns to variables; it reads what the model has assigned."""
        outer = self._scope
        values = [(x, outer.get_current_value(x)) for x in layer.variables]
        with keras.StatelessScope(
            [(x, value) for x, value in values if value is not None]
        ) as scope:
            self._scope = scope
            try:
                yield
            finally:
                self._scope = outer


def to_array(weights: Tensor) -> np.ndarray:
    """Return weights as an array; those of half precision become float32."""
    if keras.backend.standardize_dtype(weights.dtype) in HALF_PRECISION:
        weights = ops.cast(weights, "float32")
    return np.array(ops.convert_to_numpy(weights))


def hide_rows(weights: Recorded, mask: np.ndarray) -> None:
    """Zero the rows of arrays for which a mask is False."""
    for arrays in weights.values():
        for array in arrays:
            array[~mask] = 0
