"""The attention weights of any model, in one line."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_attention import arguments
from keras_attention.explain.batches import split_batches, to_arrays
from keras_attention.explain.find_layers import (
    LOOPING_LAYERS,
    LayerTree,
    NamedLayer,
    find_layers,
    list_paths,
)
from keras_attention.explain.intercept_calls import intercept_calls
from keras_attention.explain.join_arrays import check_equal_counts, join
from keras_attention.explain.model_call import call_model
from keras_attention.explain.record_weights import Recorded, Recorder
from keras_attention.explain.select_layers import Selection, select_layers
from keras_attention.layers.each_step import EachStep
from keras_attention.types import Layer, Nest


def attention_weights(
    model: Layer,
    inputs: Nest,
    layers: Any = None,
    batch_size: int | None = None,
) -> dict[str, np.ndarray | list[np.ndarray]]:
    """Return the attention weights with which a model answers.

    The model is called in inference as it is, neither cloned nor changed: outputs, losses, state
    and compiled functions stay as they are. Each of its attention layers is called a second time,
    with the arguments of the first call, to compute the weights that this call used.

    Weights come from every layer whose call has an argument `return_attention_scores`: those of
    this package, those of Keras (`MultiHeadAttention`, `GroupQueryAttention`, `Attention`,
    `AdditiveAttention`), and others. They also come from `NTMCell` and `LSTMNCell` in a
    `keras.layers.RNN`. All of these are found inside nested and subclassed models, `Bidirectional`,
    `TimeDistributed` and other layers. A layer of your own without that argument can define a
    method `compute_attention_weights`, which takes the arguments of `call` and returns a tensor, or
    a dict from names to tensors.

    The second calls compute all weights, also where the model needs no such tensor
    (`implementation="blockwise"`, fused kernels). In addition to the memory of a call of the model,
    the weights of one layer at a time need memory on the device, and those of all layers on the
    host: for a multi-head layer 4 × batch × heads × Tq × Tk bytes. `layers` and `batch_size` limit
    both.

    Args:
        model: A Keras model or layer of any kind. If it is not built yet, it is called once more,
            which builds it for the inputs.
        inputs: The model's inputs, as for `model.predict`: an array, or a dict, list or tuple of
            arrays. Strings may be a list of `str`.
        layers: Which layers: a path, as the result has it, a layer's name, a layer, or a list of
            these. A path, name or layer that contains attention layers stands for all of them.
            None = all.
        batch_size: Maximum number of samples per call; None = all in one call. Where the arrays of
            two batches differ in size, such as the lengths of texts, zeros are appended.

    Returns:
        Dict from the path of each layer to a float array, in the order of the calls. The path has
        the names of the layers that contain it, and its own: "encoder/pooling". A layer that is
        called several times has a list of arrays. A layer with several kinds of weights has a path
        for each: "block/self_attention" and "block/cross_attention" of a `TransformerDecoderBlock`,
        "graph/edges" and "graph/self_loops" of a `GraphAttention`, "rnn/cell/read_addresses" and
        "rnn/cell/write_addresses" of an `NTMCell`. `RecurrentGlimpses` has no weights: its path
        "glimpses/locations" has the centers of its glimpses.

        Shapes are those that the layers document, such as `(batch, Tq, Tk)` and `(batch, heads, Tq,
        Tk)`. Inside a layer that runs others at each step (`TimeDistributed`, `RNN`, `EachStep`),
        axis 1 is the step: step t of the weights is step t of the inputs, and masked steps of an
        `RNN` are zero. Dropout is not applied. Half precision becomes float32.

    Raises:
        ValueError: If the model has no attention layer, if `layers` has an unknown name, or if the
            requested layers are not called where their weights can be computed.

    Warns:
        UserWarning: If the weights of some layers are missing, with their paths: layers that the
            model does not call; layers that it calls inside a function that the backend traces,
            such as a `tf.function`, `jax.jit` or a loop of `keras.ops` on JAX; and a cell with
            attention inside an `AttentionDecoder` or `DeepFusionDecoder`, which returns only its
            own alignments. A layer that the model does not track, such as one in the closure of a
            `Lambda`, is not found at all.

    Example:
    >>> model = keras.Sequential([
    ...     keras.layers.Embedding(9, 4),
    ...     keras_attention.AdditiveAttention(name="additive"),
    ...     keras_attention.AttentionPooling(name="pooling")])
    >>> weights = keras_attention.attention_weights(model, np.array([[1, 7, 2], [5, 3, 0]]))
    >>> {path: array.shape for path, array in weights.items()}
    {'additive': (2, 3, 3), 'pooling': (2, 3)}
    """
    arguments.positive_integer("batch_size", batch_size, optional=True)
    batches = split_batches(to_arrays(inputs), batch_size)
    if not model.built:
        model(batches[0], training=False)
    layer_tree = find_layers(model)
    selection = select_layers(model, layer_tree, layers)
    loops = layer_tree.get_containers((*LOOPING_LAYERS, EachStep))
    calls = [_record(model, batch, [*selection.layers, *loops]) for batch in batches]
    weights = _join_batches([recorded for recorded, _ in calls])
    _report_missing(selection, weights, layer_tree, set().union(*(traced for _, traced in calls)))
    weights = {key: arrays for key, arrays in weights.items() if selection.has_key(key)}
    return {key: arrays if len(arrays) > 1 else arrays[0] for key, arrays in weights.items()}


def _record(model: Layer, inputs: Nest, layers: list[NamedLayer]) -> tuple[Recorded, set[str]]:
    """Return the arrays of all layers, and the paths of layers that were called in a trace."""
    variables = len(model.variables)
    with keras.StatelessScope() as scope:
        recorder = Recorder(scope)
        with intercept_calls(layers, recorder.handle):
            call_model(model, inputs)
    if len(model.variables) > variables:
        # A layer was built by this call. Keras initialized its variables after the scope's end.
        return _record(model, inputs, layers)
    return recorder.weights, recorder.traced


def _join_batches(batches: Sequence[Recorded]) -> Recorded:
    keys = dict.fromkeys(key for weights in batches for key in weights)
    joined = {}
    for key in keys:
        calls = [weights.get(key, []) for weights in batches]
        check_equal_counts(key, calls, "batches")
        joined[key] = [join(arrays, axis=0) for arrays in zip(*calls, strict=True)]
    return joined


def _report_missing(
    selection: Selection, weights: Recorded, layer_tree: LayerTree, traced: set[str]
) -> None:
    """Raise an error if requested weights are missing; warn if `layers` is None."""
    missing = selection.list_missing(weights, traced)
    if selection.is_explicit or not weights:
        if missing:
            raise ValueError(
                "Expected attention layers that the model calls, outside of functions that a "
                f"backend traces (tf.function, jax.jit, compiled loops). Received: {missing}; "
                f"there are weights of {list(weights)}"
            )
        return
    missing += list_paths(layer_tree.inside_attention)
    if missing:
        warnings.warn(
            "Expected attention layers that the model calls, outside of functions that a backend "
            "traces (tf.function, jax.jit, compiled loops) and of decoders, which return only "
            f"their own alignments. The result leaves out {missing}",
            stacklevel=3,
        )
