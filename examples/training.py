"""What the examples share of training: progress bar, checkpoint after every epoch, resume."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm


def train(model, batches, epochs, directory, settings, after_epoch=None):
    """Fits a compiled model epoch by epoch; a run that was killed goes on after its last epoch.

    Args:
        model: A compiled `keras.Model`.
        batches: Function of the epoch's number that gives its `tf.data.Dataset`, of known size;
            the same number has to give the same batches.
        epochs: How many epochs there shall be in all.
        directory: Where the checkpoint is: weights, state of the optimizer and of the random
            numbers, written beside and renamed, so that a kill at any moment leaves a whole one.
        settings: Dict of what the run depends on. A directory of a run with other settings is
            refused.
        after_epoch: Function of the epoch's number that returns a dict of figures to show.

    Raises:
        ValueError: If the directory holds a run with other settings.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    _check_settings(directory / "settings.json", settings)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    first = _load(directory / "checkpoint.npz", variables)
    for epoch in range(first, epochs):
        data = batches(epoch)
        with tqdm(total=int(data.cardinality()), desc=f"epoch {epoch + 1}/{epochs}") as bar:
            history = model.fit(
                data,
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,  # the data set is shuffled
                verbose=0,
                callbacks=[_Show(bar)],
            )
            figures = after_epoch(epoch) if after_epoch else {}
            logs = {name: values[-1] for name, values in history.history.items()}
            bar.set_postfix({**logs, **figures})
        _save(directory / "checkpoint.npz", variables, epoch + 1)


def as_dataset(batches):
    """A data set of `((source ids, target ids), target ids)` from a list of such numpy batches."""
    ids = tf.TensorSpec((None, None), tf.int32)
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=((ids, ids), ids))
    return data.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)


def _check_settings(path, settings):
    settings = json.loads(json.dumps(settings))
    if not path.exists():
        _write(path, lambda file: file.write(json.dumps(settings, indent=1).encode()))
    before = json.loads(path.read_text())
    if before != settings:
        raise ValueError(
            f"Expected the settings of the run in {path.parent}, {before} (delete the folder to "
            f"start anew). Received: settings={settings}"
        )


def _load(path, variables):
    """Assigns what a checkpoint holds, if there is one; the number of epochs done."""
    if not path.exists():
        return 0
    with np.load(path) as values:
        for number, variable in enumerate(variables):
            variable.assign(values[f"arr_{number}"])
        done = int(values["epochs"])
    print(f"Resuming after epoch {done} from {path}")
    return done


def _save(path, variables, epochs):
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    _write(path, lambda file: np.savez(file, *values, epochs=epochs))


def _write(path, write):
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    with open(unfinished, "wb") as file:
        write(file)
    unfinished.replace(path)


class _Show(keras.callbacks.Callback):
    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if batch % 20 == 0:
            self.bar.set_postfix(logs, refresh=False)
