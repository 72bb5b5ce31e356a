"""Download Cora and Citeseer in the form of Planetoid, and convert them for `citations.load`.

    python -m examples.datasets.planetoid ~/planetoid            # downloads, then converts
    python -m examples.datasets.planetoid ~/planetoid --raw data # converts files that are there

The files are those of Yang, Cohen, Salakhutdinov (2016), https://github.com/kimiyoung/planetoid.
They are pickles; this module unpickles arrays, sparse matrices and dicts only, so that a changed
file cannot run code. The sizes of the result are compared with the published ones.
"""

import argparse
import collections
import copyreg
import io
import pickle
import urllib.request
from pathlib import Path

import numpy as np

from examples.datasets.citations import NAMES
from examples.training import write

ADDRESS = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/"
PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")
# Nodes, undirected edges (self-loops included), words and classes.
SIZES = {"cora": (2708, 5278, 1433, 7), "citeseer": (3327, 4676, 3703, 6)}
VALIDATION = 500  # nodes


class StoredMatrix:
    """A sparse matrix of any version of scipy, as its pickle stores it."""

    def list_rows(self):
        """Return the columns of each row's entries, sorted."""
        starts = self.indptr
        return [np.sort(self.indices[a:b]) for a, b in zip(starts[:-1], starts[1:], strict=True)]

    def get_width(self):
        """Return the number of columns."""
        return vars(self).get("_shape", vars(self).get("shape"))[1]


ALLOWED = {
    "csr_matrix": StoredMatrix,
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "scalar": np.float64(1).__reduce__()[0],
    "defaultdict": collections.defaultdict,
    "_reconstructor": copyreg._reconstructor,
    "list": list,
    "object": object,
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays, sparse matrices, dicts and lists, and refuses anything else."""

    def find_class(self, module, name):
        if name not in ALLOWED:
            raise pickle.UnpicklingError(f"Expected arrays and dicts. Received: {module}.{name}")
        return ALLOWED[name]


def convert(files):
    """Return the arrays of `citations.load`.

    Args:
        files: {part: the content of the file, bytes}, for each of `PARTS`.
    """
    test = np.array(files["test.index"].split(), int)
    x, tx, allx, y, ty, ally, graph = (
        ArrayUnpickler(io.BytesIO(files[part]), encoding="latin1").load()
        for part in ("x", "tx", "allx", "y", "ty", "ally", "graph")
    )
    count = len(graph)
    rows = [np.zeros(0, int)] * count
    scores = np.zeros((count, ally.shape[1]))
    rows[: len(ally)], scores[: len(ally)] = allx.list_rows(), ally
    for node, row, score in zip(test, tx.list_rows(), ty, strict=True):
        rows[node], scores[node] = row, score
    links = np.zeros((count, count), bool)
    for node, neighbors in graph.items():
        links[node, neighbors] = True
    links |= links.T
    return {
        "feature_indptr": np.cumsum([0, *map(len, rows)]),
        "feature_indices": np.concatenate(rows),
        "feature_shape": np.array([count, allx.get_width()]),
        "adj_indptr": np.cumsum([0, *links.sum(1)]),
        "adj_indices": np.nonzero(links)[1],
        "labels": np.where(scores.any(axis=1), scores.argmax(axis=1), -1),
        "train_idx": np.arange(len(y)),
        "val_idx": np.arange(len(y), len(y) + VALIDATION),
        "test_idx": np.sort(test),
    }


def measure_sizes(arrays):
    """Return the numbers of nodes, undirected edges, words and classes."""
    nodes, words = arrays["feature_shape"]
    receivers = np.repeat(np.arange(nodes), np.diff(arrays["adj_indptr"]))
    edges = np.sum(arrays["adj_indices"] >= receivers)
    return int(nodes), int(edges), int(words), int(arrays["labels"].max()) + 1


def read(name, part, raw):
    """Return the content of a file, from the folder `raw` or from the network."""
    file = f"ind.{name}.{part}"
    if raw:
        return (Path(raw) / file).read_bytes()
    with urllib.request.urlopen(ADDRESS + file) as response:
        return response.read()


def main(folder, raw=None):
    """Write `cora.npz` and `citeseer.npz` into a folder."""
    for name in NAMES:
        arrays = convert({part: read(name, part, raw) for part in PARTS})
        if measure_sizes(arrays) != SIZES[name]:
            raise ValueError(
                f"Expected nodes, edges, words and classes {SIZES[name]} of {name}. "
                f"Received: {measure_sizes(arrays)}"
            )
        path = Path(folder).expanduser() / f"{name}.npz"
        write(path, lambda file, arrays=arrays: np.savez_compressed(file, **arrays))
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder of the .npz files, which is created")
    parser.add_argument("--raw", help="folder of the files ind.*; default: they are downloaded")
    main(**vars(parser.parse_args()))
