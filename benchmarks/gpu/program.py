"""Storage of XLA programs that TensorFlow lowered, with their inputs and their outputs on the CPU.

Loading a program needs no TensorFlow, so that a machine with a GPU can do without it.
"""

import dataclasses
import json
from pathlib import Path

import ml_dtypes  # adds bfloat16 to numpy; JAX and TensorFlow depend on it
import numpy as np


@dataclasses.dataclass
class Program:
    """A program, its inputs and its expected outputs.

    Args:
        name: Case, dtype policy and kind ("forward" or "training"), joined by dots.
        hlo: The serialized XLA module, as TensorFlow lowered it.
        parameters: The program's inputs: its arguments, then the variables' values before the run.
        outputs: Pairs (name, expected value) of all outputs, in the program's order. A name begins
            with "value", "gradient", or "variable" for a variable's value after the run.
    """

    name: str
    hlo: bytes
    parameters: list
    outputs: list

    def save(self, folder):
        """Write the program to `folder`/`name`."""
        path = Path(folder) / self.name
        path.mkdir(parents=True, exist_ok=True)
        (path / "program.hlo").write_bytes(self.hlo)
        arrays = [*self.parameters, *(value for _, value in self.outputs)]
        description = {
            "outputs": [name for name, _ in self.outputs],
            "dtypes": [str(a.dtype) for a in arrays],
        }
        (path / "program.json").write_text(json.dumps(description), encoding="utf-8")
        np.savez(path / "arrays.npz", *(_to_storable(a) for a in arrays))


def _to_storable(array):
    """Convert bfloat16, which numpy's files cannot hold, to float32."""
    return array.astype("float32") if array.dtype == ml_dtypes.bfloat16 else array


def load(path):
    """Load the program that `save` wrote to the folder `path`, whose last part is its name."""
    path = Path(path)
    description = json.loads((path / "program.json").read_text(encoding="utf-8"))
    with np.load(path / "arrays.npz") as file:
        arrays = [file[f"arr_{i}"].astype(np.dtype(d)) for i, d in enumerate(description["dtypes"])]
    count = len(arrays) - len(description["outputs"])
    outputs = list(zip(description["outputs"], arrays[count:], strict=True))
    return Program(path.name, (path / "program.hlo").read_bytes(), arrays[:count], outputs)
