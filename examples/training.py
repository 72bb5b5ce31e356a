"""What the examples share of training: progress bar, checkpoint after every epoch, resume."""

import json
from pathlib import Path

import keras
from tqdm.auto import tqdm


def train(model, batches, epochs, directory, settings, after_epoch=None):
    """Fits a compiled model epoch by epoch; a run that was killed goes on after its last epoch.

    Args:
        model: A compiled `keras.Model`.
        batches: Function of the epoch's number that gives its `tf.data.Dataset`, of known size;
            the same number has to give the same batches.
        epochs: How many epochs there shall be in all.
        directory: Where the checkpoints are. Weights and optimizer state are written beside and
            renamed, so that a kill at any moment leaves the last whole checkpoint.
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
    done = sorted(directory.glob("epoch-*.weights.h5"))
    first = 0
    if done:
        first = int(done[-1].name.split("-")[1].split(".")[0])
        model.load_weights(done[-1])
        print(f"Resuming after epoch {first} from {done[-1]}")
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
        _save(model, directory, epoch + 1)


def _check_settings(path, settings):
    settings = json.loads(json.dumps(settings))
    if not path.exists():
        path.write_text(json.dumps(settings, indent=1))
    before = json.loads(path.read_text())
    if before != settings:
        raise ValueError(
            f"Expected the settings of the run in {path.parent}, {before} (delete the folder to "
            f"start anew). Received: settings={settings}"
        )


def _save(model, directory, epoch):
    name = f"epoch-{epoch:04d}.weights.h5"
    unfinished = directory / f"unfinished-{name}"
    model.save_weights(unfinished)
    older = list(directory.glob("epoch-*.weights.h5"))
    unfinished.rename(directory / name)
    for path in older:
        if path.name != name:
            path.unlink()


class _Show(keras.callbacks.Callback):
    def __init__(self, bar):
        super().__init__()
        self.bar = bar

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()
        if batch % 20 == 0:
            self.bar.set_postfix(logs, refresh=False)
