"""What the examples share of training: progress bar, checkpoint after every epoch, resume."""

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


def train(model, batches, epochs, directory, settings, after_epoch=None, more=(), counted=None):
    """Fits a compiled model epoch by epoch; a run that was killed goes on after its last epoch.

    Of several workers (`examples.distribution`) the chief alone writes, and goes on after training;
    the others read the same directory, and their programs end here.

    Args:
        model: A compiled `keras.Model`.
        batches: Function of the epoch's number that gives its `tf.data.Dataset`, of known size;
            the same number has to give the same batches.
        epochs: How many epochs there shall be in all.
        directory: Where the checkpoint is: weights, state of the optimizer and of the random
            numbers, written beside and renamed, so that a kill at any moment leaves a whole one.
        settings: Dict of what the run depends on. A directory that holds a checkpoint of a run
            with other settings is refused.
        after_epoch: Function of the epoch's number that returns a dict of figures to show.
        more: Variables to keep that are neither the model's nor its optimizer's.
        counted: Function of a batch's targets: how many of them the loss is a mean over, where it
            leaves out some; see `distribution.Replicas`.

    Returns:
        The learning curve: for each epoch, also those of earlier runs, a dict of its figures and
        of the minutes that it took, by the clock and of processor time.

    Raises:
        ValueError: If the directory cannot be written, has no room for the checkpoints, or holds
            one of other settings or of another model.
    """
    directory = Path(directory)
    check_folders(model, more, runs=directory)
    if distribution.is_chief():  # another's file may be one that the chief is writing
        for unfinished in directory.glob(".*-*"):  # what `write` left when its run was killed
            unfinished.unlink()
    _check_settings(directory, settings)
    variables = _state(model, more)
    curve = _load(directory / "checkpoint.npz", variables)
    has_replicas = model.distribute_strategy.num_replicas_in_sync > 1
    fit = functools.partial(_fit, model)
    if has_replicas:
        fit = distribution.replicas_of(model, counted).fit
    for epoch in range(len(curve), epochs):
        began = time.time(), time.process_time()
        data = batches(epoch)
        with tqdm(total=int(data.cardinality()), desc=f"epoch {epoch + 1}/{epochs}") as bar:
            logs = fit(data, bar)
            logs |= after_epoch(epoch) if after_epoch else {}
            bar.set_postfix(logs)
        logs |= minutes_since(*began)
        curve.append({name: float(value) for name, value in logs.items()})
        if distribution.is_chief():
            _save(directory / "checkpoint.npz", variables, curve)
    if has_replicas and not distribution.is_chief():
        sys.exit()
    return curve


def _fit(model, data, bar):
    """One epoch; its figures by name."""
    history = model.fit(
        data,
        shuffle=False,  # the data set is shuffled
        verbose=0,
        callbacks=[_Show(bar)],
    )
    return {name: values[-1] for name, values in history.history.items()}


def check_folders(model, more=(), **folders):
    """Refuses, before anything takes long, folders in which `disk.check` finds a fault.

    Args:
        model: A compiled `keras.Model`.
        more: As in `train`.
        **folders: `runs`, which is the run's own directory, `pictures` and `saved_models`, or some.
    """
    disk.check(_size(_state(model, more)), _size(model.variables), **folders)


def minutes_since(moment, processor_time):
    """Minutes since a moment of `time.time` and of `time.process_time`, with their names."""
    return {
        "minutes": (time.time() - moment) / 60,
        "processor minutes": (time.process_time() - processor_time) / 60,
    }


def minutes_of(curve):
    """Minutes of a whole training, also of its interrupted runs, with their names."""
    names = ("minutes", "processor minutes")
    return {f"{name} of training": round(sum(e[name] for e in curve), 1) for name in names}


def as_dataset(batches, size=None):
    """A data set, made ahead while a model trains, of batches: nests of numpy arrays.

    Args:
        batches: Sequence of batches, whose first two axes, samples and time, may differ from one
            to the next; or a function that returns an iterator of them, for what is generated.
        size: How many batches the iterator gives; None for a sequence.
    """
    if callable(batches) and size < 1 or not callable(batches) and not batches:
        raise ValueError("Expected at least one batch. Received: none")
    begin, size = (batches, size) if callable(batches) else (lambda: iter(batches), len(batches))
    signature = tf.nest.map_structure(
        lambda x: tf.TensorSpec((None, None, *x.shape[2:])[: x.ndim], x.dtype), next(begin())
    )
    data = tf.data.Dataset.from_generator(begin, output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(size)).prefetch(2)


def _state(model, more):
    """The variables that a training goes on from."""
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables, *more]


def _size(variables):
    """Bytes of some variables."""
    return sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in variables)


def _check_settings(directory, settings):
    path = directory / "settings.json"
    settings = json.loads(json.dumps(settings))
    if not (directory / "checkpoint.npz").exists():  # nothing to lose
        if distribution.is_chief():
            write(path, lambda file: file.write(json.dumps(settings, indent=1).encode()))
        return
    before = json.loads(path.read_text())
    if before != settings:
        raise ValueError(
            f"Expected the settings of the run in {directory}, {before} (delete the folder to "
            f"start anew, or choose another). Received: settings={settings}"
        )


def _load(path, variables):
    """Assigns what a checkpoint holds, if there is one; the curve of the epochs done."""
    if not path.exists():
        return []
    with np.load(path) as values:
        shapes = [values[name].shape for name in values.files if name != "curve"]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise ValueError(
                f"Expected a checkpoint of this model's {len(variables)} variables, of their "
                f"shapes. Received: {path}, of {len(shapes)} variables"
            )
        for number, variable in enumerate(variables):
            variable.assign(values[f"arr_{number}"])
        curve = json.loads(str(values["curve"]))
    print(f"Resuming after epoch {len(curve)} from {path}")
    return curve


def _save(path, variables, curve):
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    whole = io.BytesIO()  # numpy's own writing does not end well on a full disk
    np.savez(whole, *values, curve=json.dumps(curve))
    try:
        write(path, lambda file: file.write(whole.getbuffer()))
    except OSError as error:
        raise OSError(
            error.errno,
            f"Expected room for {disk.megabytes(whole.tell())}, the checkpoint after epoch "
            f"{len(curve)}. Received: {error.strerror}. The one before is kept: make room, and "
            "the same command goes on from it",
            str(path),
        ) from error


def write(path, write_to):
    """Writes a file beside its place and renames it: a kill leaves the old one or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())  # before it has the name, or a power cut leaves neither
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)  # on a full disk half a file is in the way of all else


class _Show(keras.callbacks.Callback):
    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if batch % 20 == 0:
            self.bar.set_postfix(logs, refresh=False)
