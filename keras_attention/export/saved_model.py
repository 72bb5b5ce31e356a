"""Write a trained model as the next version that TensorFlow Serving loads."""

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_attention import arguments
from keras_attention.export.checks.digests import write_digests
from keras_attention.export.checks.finite import check_finite
from keras_attention.export.checks.fresh_process import TIMEOUT
from keras_attention.export.checks.graph import check_graph
from keras_attention.export.checks.outputs import check_outputs
from keras_attention.export.checks.padding_trials import make_padding_trials
from keras_attention.export.checks.state import find_changed_state, restore_state
from keras_attention.export.printable import shorten_error
from keras_attention.export.requests.examples import make_calls
from keras_attention.export.requests.generated import replace_rejected_calls
from keras_attention.export.requests.instructions import write_requests
from keras_attention.export.requests.record import write_record
from keras_attention.export.requests.warmup import write_warmup_requests
from keras_attention.export.signatures.input_names import warn_about_default_names
from keras_attention.export.signatures.signature import (
    Signature,
    SignatureParts,
    collect_signatures,
)
from keras_attention.export.variable_order import sort_variables
from keras_attention.export.versions.publish import publish
from keras_attention.paths import to_local_path

Example = Mapping[str, Any]


def saved_model(
    model: keras.Model | None,
    directory: str | os.PathLike,
    signatures: Mapping[str, SignatureParts] | None = None,
    example: Example | Sequence[Example] | None = None,
    xla: bool = False,
    timeout: float = TIMEOUT,
) -> Path:
    """Write a model as the next version for TensorFlow Serving, and check the written files.

    Writes `directory/<version>/`, where the version is 1, or the highest existing version plus 1.
    It holds the graph of every signature, the weights (each stored once), warm-up requests, the
    bodies of example requests with the export's answers, a record of the export
    (`assets.extra/export.json`: package versions, commit, signatures, the largest difference from
    the model, remarks), and the digests of all these files (in `assets.extra/SHA256SUMS`).
    Before the version appears under its number, its graph is searched for operations that a stock
    server cannot run. Then a new process without Keras runs every signature on every example
    through the C++ code that TensorFlow Serving uses, with XLA disabled; its answers must match
    the model's outputs. If anything fails, no version and no new directory remains. Files that a
    killed export left behind are removed by a later export or `prune`.

    The graph of every signature rejects inputs whose rank or sizes are not as specified, and inputs
    with different batch sizes, which TensorFlow would broadcast (`keras_attention.export.Spec`).

    A signature must be reproducible. If it samples with `tf.random`, it fails the check. If it
    samples with a `keras.random.SeedGenerator`, it passes, because the generator's state is
    exported. (A server therefore draws the same random numbers after each start.) A warning names
    all variables that a request would change: those of generators, of `BatchNormalization` with
    `training=True`, of stateful layers; and lookup tables. In this process they keep the values
    that they had.

    Args:
        model: A `keras.Model`. If it is Functional or Sequential, `serving_default` is derived
            from it. The inputs have the names of its `keras.Input`s. The outputs have the names of
            the dict that it returns; a single tensor is named `output`, a list of tensors
            `output_0`, `output_1`, …. The model runs with `training=False`. Pass None if
            `signatures` defines every signature, including `serving_default`.
        directory: The local directory of this model's versions, such as `saved_models/name`. Its
            last component is the name under which the model is served, not a version number. A
            leading `~` is expanded. To serve from an object store (`s3://…`), copy the returned
            directory there.
        signatures: Dict of name to `(function, specs)` or `(function, specs, resources)`.
            `specs` are `keras_attention.export.Spec`, `keras.InputSpec`, `keras.KerasTensor` or
            `tf.TensorSpec`, each with a name. The function is called with one keyword argument for
            each spec, and returns a tensor or a dict of name to tensor. `resources` are layers or
            `tf.lookup` tables: they must hold the lookup tables that the function uses, unless
            `model` holds them. A subclassed model needs `"serving_default"` here. Default None.
        example: Dict of input name to array, or a list of such dicts. Each signature runs on every
            example that has all of its inputs. For a signature without an example, and with None,
            the default, two are generated: unknown batch sizes are 1 and 3, all other unknown
            dimensions 4 and 7; integers are 1, floats small random numbers, bools True, strings
            "a", "a a", …. If the model fails on these, shorter and longer dimensions and the
            integer 0 are tried. Pass your own examples if such values are not meaningful inputs of
            the model.
        xla: Whether the signatures may hold operations and functions that XLA compiles, such as
            `keras.ops.slice_update` and functions with `jit_compile=True`. The check then runs with
            XLA, and the server must be started with `--xla_cpu_compilation_enabled`, as
            `keras_attention.export.how_to_serve` says. Default False.
        timeout: Seconds after which the process that runs the export is stopped, and the export
            fails. Default 600.

    Returns:
        `pathlib.Path` of the version directory.

    Raises:
        ValueError: If `directory` is a version directory instead of a model directory, or a remote
            address; if a signature or an example is invalid; if a signature uses a lookup table
            that is missing from its `resources`; if a weight is NaN; if an output is NaN for all
            examples, or infinite because of the weights; or if the graph holds a function that must
            be compiled with XLA (unless `xla`) or that calls Python.
        keras_attention.export.SelfCheckError: If the export fails outside Python, or its answers
            differ from the model's outputs.
        RuntimeError: If the backend is not TensorFlow.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> model = keras.Model(words, keras.layers.Embedding(7, 2)(words))
    >>> def last(words):
    ...     return {"last": model(words)[:, -1]}
    >>> path = keras_attention.export.saved_model(
    ...     model,
    ...     tempfile.mkdtemp(),
    ...     signatures={"last": (last, model.inputs)},
    ...     example={"words": np.array([[3, 1, 4], [1, 5, 0]])},
    ... )
    >>> path.name
    '1'
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Expected the tensorflow backend, because only its SavedModels consist of TensorFlow "
            "operations alone. Save the model with model.save('model.keras'), "
            "then run KERAS_BACKEND=tensorflow python -m keras_attention.export model.keras "
            "DIRECTORY (with --import MODULE for custom classes). "
            f"Received: backend={keras.backend.backend()!r}"
        )
    directory = _check_directory(directory)
    xla = arguments.boolean("xla", xla)
    timeout = arguments.positive_number("timeout", timeout)
    all_signatures = collect_signatures(model, signatures)
    inputs = [spec for signature in all_signatures for spec in signature.inputs]
    warn_about_default_names(inputs, stacklevel=3)  # the line that calls `saved_model`
    calls = make_calls(all_signatures, example)
    parts = _find_parts(model, all_signatures)
    archive, traced = _trace(parts, all_signatures)
    functions = list(traced.values())
    changed = {name: find_changed_state(function) for name, function in traced.items()}
    _warn_about_state(parts, {name: variables for name, variables in changed.items() if variables})

    def write(path: Path) -> None:
        _write_graph(path, archive, list(traced))
        check_graph(path, xla)
        with restore_state(functions, parts):
            accepted = replace_rejected_calls(calls)
            # The line that calls `saved_model`, which calls `publish`, which calls `write`.
            trials = make_padding_trials(accepted, stacklevel=5)
        with restore_state(functions, parts):
            checked = check_outputs(path, accepted, trials, xla, timeout)
        check_finite(accepted, [exported for exported, _ in checked], functions)
        write_warmup_requests(path, directory.absolute().name, accepted)
        requests = write_requests(path, accepted)
        write_record(path, accepted, checked, requests)
        write_digests(path)

    return publish(directory, write)


def _check_directory(directory: str | os.PathLike) -> Path:
    """Return the directory as a `Path`; reject a version directory, which cannot hold versions."""
    path = to_local_path("directory", directory)
    is_version = re.fullmatch("[0-9]+", path.resolve().name) is not None
    if is_version or (path / "saved_model.pb").exists():
        raise ValueError(
            "Expected `directory` to be the directory of the model's versions, such as "
            "saved_models/name; the version number is appended. "
            f"Received: directory={str(directory)!r}, which is itself a version directory"
        )
    return path


def _find_parts(model: keras.Model | None, signatures: list[Signature]) -> list[Any]:
    """Return all tracked objects of the model and of the signatures' resources."""
    import tensorflow as tf

    resources = [resource for signature in signatures for resource in signature.resources]
    holders = [holder for holder in (model, *resources) if holder is not None]
    return [part for holder in holders for part in tf.train.TrackableView(holder).descendants()]


def _trace(parts: list[Any], signatures: list[Signature]) -> tuple[Any, dict[str, Any]]:
    """Trace all signatures, whose lookup tables are among the parts.

    Returns:
        The archive to write, and the concrete function of each signature by name.
    """
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    functions = {}
    for signature in signatures:
        specs = signature.specs
        with _explain_python_errors(signature.name):
            endpoint = archive.add_endpoint(signature.name, signature.compute_outputs, specs)
            sort_variables(endpoint, specs)
        functions[signature.name] = endpoint
    # The archive finds the weights that the functions use, but lookup tables must be tracked
    # explicitly. (Tracking the model instead would write every weight a second time.)
    for part in parts:
        if isinstance(part, tf.saved_model.experimental.TrackableResource):
            archive.track(part)
    return archive, {name: function.get_concrete_function() for name, function in functions.items()}


@contextlib.contextmanager
def _explain_python_errors(name: str) -> Iterator[None]:
    """Say what to do about an error that Python raises for the tensors of a graph."""
    try:
        yield
    except (AttributeError, NotImplementedError, TypeError) as error:
        raise ValueError(
            f"Expected signature {name!r} to compute with keras.ops alone, because a server has no "
            "Python, and with keras.ops.shape(x) instead of x.shape, because sizes may be unknown. "
            "The values of tensors are unknown, so `if`, `float()` and NumPy cannot use them: see "
            f"keras.ops.where and keras.ops.cond. Received: {shorten_error(error)}"
        ) from error


def _write_graph(path: Path, archive: Any, names: list[str]) -> None:
    """Write the SavedModel with the traced signatures."""
    import tensorflow as tf

    # Servers do not differentiate. The functions of custom gradients would double the graph's size.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        archive.write_out(str(path), options=options, verbose=False)
    except AssertionError as error:
        if "untracked" not in str(error):
            raise
        raise ValueError(
            "Expected every lookup table that a signature uses to be held by the model or by the "
            "signature's `resources`: signatures={name: (function, specs, [table])}. "
            f"Received: signatures {names}, one of which "
            f"uses another table. ({error})"
        ) from error


def _warn_about_state(parts: Sequence[Any], changed: Mapping[str, list[str]]) -> None:
    """Warn about signatures that change variables, and about stateful recurrent layers."""
    if not changed:
        return
    layers = [part for part in parts if isinstance(part, keras.layers.Layer)]
    stateful = sorted({layer.name for layer in layers if getattr(layer, "stateful", False)})
    warnings.warn(
        "Expected signatures that keep nothing from one request to the next, because all clients "
        "of a server would share it. Call layers with `training=False`, replace the state of a "
        "SeedGenerator by an input (`keras_attention.export.with_seed`), and make the state of a "
        "recurrent layer an input and an output (`initial_state` and `return_state=True`). "
        f"Received: signatures whose requests change variables, {dict(changed)}"
        + (f"; stateful=True in the layers {stateful}" if stateful else ""),
        stacklevel=3,  # the line that calls `saved_model`
    )
