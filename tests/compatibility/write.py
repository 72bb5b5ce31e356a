"""Write the files of the current version, which every later version must load.

    KERAS_BACKEND=tensorflow python -m tests.compatibility.write 0.1.0

Run it once for each release, when `keras_attention.__version__` has its number, and commit the
folder. Files of earlier versions are never written again.

A folder holds for every public layer a model `NAME.keras` and its weights `NAME.weights.h5`, and
`NAME_all_arguments.keras`, in which no argument has its default. `inputs.npz` holds the inputs of
all models, `outputs.npz` the outputs of each, as `NAME/output` and `NAME/weights`.
"""

import argparse
import shutil
from pathlib import Path

import keras
import numpy as np

import keras_attention
from tests.layers.contract.rows import ROWS

FOLDER = Path(__file__).parent
INPUTS = ("query", "value", "query_mask", "value_mask")


def list_layers():
    """Yield the name, the contract case and the constructor options of each model."""
    for name, case in ROWS.items():
        if case.all_arguments:
            yield name, case, {}
            yield f"{name}_all_arguments", case, case.all_arguments


def write_version(folder):
    """Write the files of every layer into a new folder."""
    folder.mkdir()
    outputs = {}
    for name, case, options in list_layers():
        data = case.batch()
        model = case.functional_model(case.build(**options))
        model.save(folder / f"{name}.keras")
        if not options:
            model.save_weights(folder / f"{name}.weights.h5")
        for key, array in model(dict(zip(INPUTS, data, strict=True))).items():
            outputs[f"{name}/{key}"] = keras.ops.convert_to_numpy(array)
    np.savez_compressed(folder / "inputs.npz", **dict(zip(INPUTS, data, strict=True)))
    np.savez_compressed(folder / "outputs.npz", **outputs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", help="the version of this package, e.g. 0.1.0")
    version = parser.parse_args().version
    if version != keras_attention.__version__:
        parser.error(
            f"Expected the version that is installed, {keras_attention.__version__}: files of "
            f"another one must be written by its own code. Received: version={version!r}"
        )
    shutil.rmtree(FOLDER / version, ignore_errors=True)
    write_version(FOLDER / version)


if __name__ == "__main__":
    main()
