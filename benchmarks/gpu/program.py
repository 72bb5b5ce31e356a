"""One XLA program in TensorFlow's own words, with inputs and what XLA made of them on the CPU.

Reading one needs numpy alone, so that a machine with a GPU may have no TensorFlow.
"""

import dataclasses
import json
from pathlib import Path

import ml_dtypes  # JAX and TensorFlow have it; numpy learns bfloat16 from it
import numpy as np


@dataclasses.dataclass
class Program:
    """What a compiler needs, and what its result is compared with.

    hlo: the serialized XLA module, as TensorFlow lowered it. parameters: its arguments, then the
    variables as they were. outputs: name and value of each result in the program's order; the name
    begins with "value", "gradient" or "variable" (one as it is afterwards).
    """

    name: str
    hlo: bytes
    parameters: list
    outputs: list

    def save(self, folder):
        """Writes it to `folder`/`name`."""
        path = Path(folder) / self.name
        path.mkdir(parents=True, exist_ok=True)
        (path / "program.hlo").write_bytes(self.hlo)
        arrays = [*self.parameters, *(value for _, value in self.outputs)]
        kept = {
            "outputs": [name for name, _ in self.outputs],
            "dtypes": [str(a.dtype) for a in arrays],
        }
        (path / "program.json").write_text(json.dumps(kept), encoding="utf-8")
        np.savez(path / "arrays.npz", *(_storable(a) for a in arrays))


def _storable(array):
    """An array that numpy's own files can hold: they know no bfloat16."""
    return array.astype("float32") if array.dtype == ml_dtypes.bfloat16 else array


def load(path):
    """The program that was saved as `path`, folder and name."""
    path = Path(path)
    kept = json.loads((path / "program.json").read_text(encoding="utf-8"))
    with np.load(path / "arrays.npz") as file:
        arrays = [file[f"arr_{i}"].astype(np.dtype(d)) for i, d in enumerate(kept["dtypes"])]
    count = len(arrays) - len(kept["outputs"])
    outputs = list(zip(kept["outputs"], arrays[count:], strict=True))
    return Program(path.name, (path / "program.hlo").read_bytes(), arrays[:count], outputs)
