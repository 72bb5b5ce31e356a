"""The training loop of all examples, with a progress bar, checkpoints and resumption."""

import functools
import io
import json
import math
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from examples import disk, distribution


def train(
    model,
    batches,
    epochs,
    directory,
    settings,
    after_epoch=None,
    variables=(),
    count_targets=None,
    stop=None,
):
    """Train a compiled model, or resume a killed run after its last completed epoch.

    With several workers (`examples.distribution`) only the chief writes files and returns. The
    other workers load checkpoints from the same directory, and their processes end here.

    Args:
        model: A compiled `keras.Model`.
        batches: Function of the epoch's number that returns the epoch's `tf.data.Dataset`, of
            known size. The same number must give the same batches.
        epochs: Number of epochs, including those of earlier runs.
        directory: Folder of the checkpoint, which has the weights, the optimizer's state and the
            states of the random generators. Files are written to a temporary name and renamed, so
            that a kill at any moment leaves a complete checkpoint.
        settings: Dict of the settings that determine the run. A directory with a checkpoint of
            other settings is refused.
        after_epoch: Function of the epoch's number that returns a dict of metrics to record.
        variables: Variables to save that belong neither to the model nor to its optimizer.
        count_targets: Function that returns the number of a batch's targets in the loss's mean.
            Needed if the mean leaves out some targets, such as padding; see
            `distribution.Replicas`.
        stop: Function of the learning curve that returns True if no further epoch is needed.

    Returns:
        The learning curve: for each epoch, including those of earlier runs, a dict of its metrics
        and of its duration in minutes, elapsed and of processor time.

    Raises:
        ValueError: If the directory cannot be written, has too little space for the checkpoints,
            or holds a checkpoint of other settings or of another model.
    """
    directory = Path(directory)
    check_folders(model, variables, runs=directory)
    # Remove partial files that `write` left in a killed run. Only the chief does so, because
    # another worker could remove a file that the chief is writing.
    if distribution.is_chief():
        for partial_file in directory.glob(".*-*"):
            partial_file.unlink()
    _check_settings(directory, settings)
    state = _state(model, variables)
    curve = _load(directory / "checkpoint.npz", state)
    has_replicas = model.distribute_strategy.num_replicas_in_sync > 1
    fit = functools.partial(_fit, model)
    if has_replicas:
        fit = distribution.make_replicas(model, count_targets).fit
    for epoch in range(len(curve), epochs):
        if stop and stop(curve):
            break
        start = time.time(), time.process_time()
        data = batches(epoch)
        with tqdm(total=int(data.cardinality()), desc=f"epoch {epoch + 1}/{epochs}") as bar:
            logs = fit(data, bar)
            logs |= after_epoch(epoch) if after_epoch else {}
            bar.set_postfix(logs)
        logs |= measure_minutes(*start)
        curve.append({name: float(value) for name, value in logs.items()})
        if distribution.is_chief():
            _save(directory / "checkpoint.npz", state, curve)
    if has_replicas and not distribution.is_chief():
        sys.exit()
    return curve


def _fit(model, data, bar):
    """Train one epoch; return its metrics by name."""
    history = model.fit(
        data,
        shuffle=False,  # the data set is shuffled already
        verbose=0,
        callbacks=[_UpdateBar(bar)],
    )
    return {name: values[-1] for name, values in history.history.items()}


def check_folders(model, variables=(), **folders):
    """Check folders and free disk space with `disk.check`, for the files of this model.

    Args:
        model: A compiled `keras.Model`.
        variables: As in `train`.
        **folders: `runs`, which is the run's own directory, and optionally `pictures` and
            `saved_models`.
    """
    disk.check(_count_bytes(_state(model, variables)), _count_bytes(model.variables), **folders)


def measure_minutes(moment, processor_time):
    """Return the elapsed and the processor minutes since given times, by name.

    Args:
        moment: Value of `time.time`.
        processor_time: Value of `time.process_time`.
    """
    return {
        "minutes": (time.time() - moment) / 60,
        "processor minutes": (time.process_time() - processor_time) / 60,
    }


def sum_minutes(curve):
    """Return the minutes of a whole training, including interrupted runs, by name."""
    names = ("minutes", "processor minutes")
    return {f"{name} of training": round(sum(e[name] for e in curve), 1) for name in names}


def as_dataset(batches, size=None):
    """Return a data set of batches, which are nests of numpy arrays, prefetched during training.

    Args:
        batches: Sequence of batches, or a function that returns an iterator of batches. The sizes
            of the first two axes, samples and time, may vary between batches.
        size: Number of batches of the iterator; None for a sequence.
    """
    if callable(batches) and size < 1 or not callable(batches) and not batches:
        raise ValueError("Expected at least one batch. Received: none")
    begin, size = (batches, size) if callable(batches) else (lambda: iter(batches), len(batches))
    signature = tf.nest.map_structure(
        lambda x: tf.TensorSpec((None, None, *x.shape[2:])[: x.ndim], x.dtype), next(begin())
    )
    data = tf.data.Dataset.from_generator(begin, output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(size)).prefetch(2)


def _state(model, variables):
    """Return all variables that a checkpoint has."""
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables, *variables]


def _count_bytes(variables):
    """Return the size of variables in bytes."""
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables)


def _check_settings(directory, settings):
    path = directory / "settings.json"
    settings = json.loads(json.dumps(settings))
    if not (directory / "checkpoint.npz").exists():  # other settings cannot spoil a run
        if distribution.is_chief():
            write(path, lambda file: file.write(json.dumps(settings, indent=1).encode()))
        return
    saved = json.loads(path.read_text())
    if saved != settings:
        raise ValueError(
            f"Expected the settings of the run in {directory}, {saved} (delete the folder to "
            f"start again, or choose another). Received: settings={settings}"
        )


def _load(path, variables):
    """Load a checkpoint into the variables, if there is one; return its learning curve."""
    if not path.exists():
        return []
    with np.load(path) as values:
        shapes = [values[name].shape for name in values.files if name != "curve"]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise ValueError(
                f"Expected a checkpoint with the shapes of this model's {len(variables)} "
                f"variables. Received: {path}, of {len(shapes)} variables"
            )
        for number, variable in enumerate(variables):
            variable.assign(values[f"arr_{number}"])
        curve = json.loads(str(values["curve"]))
    print(f"Resuming after epoch {len(curve)} from {path}")
    return curve


def _save(path, variables, curve):
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    # Build the file in memory, because numpy does not raise an `OSError` if the disk is full.
    content = io.BytesIO()
    np.savez(content, *values, curve=json.dumps(curve))
    try:
        write(path, lambda file: file.write(content.getbuffer()))
    except OSError as error:
        raise OSError(
            error.errno,
            f"Expected {disk.format_megabytes(content.tell())} of free space for the checkpoint "
            f"after epoch {len(curve)}. Received: {error.strerror}. The previous checkpoint is "
            "kept: free some space, and run the same command to resume from it",
            str(path),
        ) from error


def write(path, write_to):
    """Write a file under a temporary name and rename it.

    A kill at any moment leaves either the old or the new file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with open(partial_file, "wb") as file:
            write_to(file)
            file.flush()
            # Without this, a power failure after the renaming could leave an incomplete file.
            os.fsync(file.fileno())
        partial_file.replace(path)
    finally:
        partial_file.unlink(missing_ok=True)  # so that a partial file does not fill the disk


class _UpdateBar(keras.callbacks.Callback):
    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if batch % 20 == 0:
            self.bar.set_postfix(logs, refresh=False)
