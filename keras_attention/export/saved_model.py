"""A trained model as the next version of a served one."""

import os
import re
from pathlib import Path

import keras

from keras_attention.export.checks import digests
from keras_attention.export.checks import graph as graph_check
from keras_attention.export.checks import outputs as self_check
from keras_attention.export.requests import instructions, warmup
from keras_attention.export.requests.examples import calls
from keras_attention.export.signatures.signature import collect
from keras_attention.export.versions.publish import publish


def saved_model(model, directory, signatures=None, example=None):
    """Writes a model as the next version for TensorFlow Serving, and checks what was written.

    Writes `directory/<version>/`, where version is 1 or the largest there is plus 1: the graph
    of every signature, each weight once, warm-up requests, the bodies of example requests, and the
    digests of all of these (in `assets.extra/SHA256SUMS`).
    Before the version appears under its number, its graph is searched for what a stock server
    cannot run, and a new process without Keras runs every signature on every example through
    the C++ code that TensorFlow Serving runs, XLA switched off; what it answers must be what
    the model returns. If anything fails, no version and no new directory remains; what a killed
    export left half-written, the next one on the same host removes.

    Every signature refuses, in the graph, inputs of another rank or size than specified, and
    batches of unlike sizes, which TensorFlow would broadcast (`keras_attention.export.Spec`).

    A signature must be reproducible: one that draws with `tf.random` cannot pass the check. Draws
    by a `keras.random.SeedGenerator` can, since its state is exported (so a server gives the same
    ones after each start).

    Args:
        model: A `keras.Model`. If it is Functional or Sequential, `serving_default` is derived
            from it: the inputs are called as its `keras.Input`s, the outputs by their keys if it
            returns a dict, else `output`, or `output_0`, `output_1`, … if there are several.
            It runs with `training=False`. None if `signatures` say everything.
        directory: Where the versions of this model are, as `saved_models/name`. The last part is
            the name under which it is served, and not the version.
        signatures: Dict of name to `(function, specs)` or `(function, specs, resources)`.
            `specs` are `keras_attention.export.Spec`, `keras.InputSpec`, `keras.KerasTensor` or
            `tf.TensorSpec`, each with a name. The function is called with the tensors by these
            names, and returns a tensor or a dict of tensors by name. `resources` are the objects
            that hold the lookup tables which the function uses, layers or `tf.lookup` tables,
            where `model` does not hold them. Needed with `"serving_default"` for a subclassed
            model. Default None.
        example: Dict of input name to array, or a list of such dicts. A signature is tried with
            each example that has all of its inputs. None, the default, makes up two: unknown
            batch sizes are 1 and 3, all other unknown dimensions 4 and 7; integers are 1, floats
            small random numbers, bools True, strings "a". Give examples where these mean
            nothing to the model.

    Returns:
        `pathlib.Path` of the version directory.

    Raises:
        ValueError: If `directory` is a version and not the place of versions, if a signature or
            an example does not fit, or the graph holds a function that must be compiled with XLA
            or calls Python.
        keras_attention.export.SelfCheckError: If the export fails outside Python, or its answers
            differ from the model's.
        RuntimeError: On another backend than TensorFlow.

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
            "Expected the tensorflow backend, which alone writes a SavedModel that holds nothing "
            "but TensorFlow operations. Save the model with model.save('model.keras'), then run "
            "KERAS_BACKEND=tensorflow python -m keras_attention.export model.keras DIRECTORY. "
            f"Received: backend={keras.backend.backend()!r}"
        )
    directory = _place_of_versions(directory)
    wanted = collect(model, signatures)
    tried = calls(wanted, example)

    def write(path):
        _write_graph(path, model, wanted)
        graph_check.check(path)
        self_check.check(path, tried)
        warmup.write(path, directory.resolve().name, tried)
        instructions.write_requests(path, tried)
        digests.write(path)

    return publish(directory, write)


def _place_of_versions(directory):
    """The directory as a `Path`, unless it is a version: a model in there would never be found."""
    if not isinstance(directory, str | os.PathLike):
        raise ValueError(f"Expected `directory` to be a path. Received: directory={directory!r}")
    place = Path(directory)
    is_version = re.fullmatch("[0-9]+", place.resolve().name) is not None
    if is_version or (place / "saved_model.pb").exists():
        raise ValueError(
            "Expected `directory` to be where the versions of the model go, as saved_models/name; "
            f"the version's number is added. Received: directory={str(directory)!r}, which is a "
            "version itself"
        )
    return place


def _write_graph(path, model, signatures):
    """Writes the SavedModel with all signatures."""
    archive = keras.export.ExportArchive()
    for signature in signatures:
        archive.add_endpoint(signature.name, signature.outputs, signature.specs)
    # The archive finds the weights that the functions use; tables it must be shown. (Shown the
    # model, it would write every weight a second time.)
    for holder in (model, *(one for signature in signatures for one in signature.resources)):
        for table in _tables(holder):
            archive.track(table)
    archive.write_out(str(path), verbose=False)


def _tables(holder):
    """The lookup tables, and their like, that can be reached from an object."""
    import tensorflow as tf

    parts = [] if holder is None else tf.train.TrackableView(holder).descendants()
    return [
        part for part in parts if isinstance(part, tf.saved_model.experimental.TrackableResource)
    ]
