"""Citation graphs (Cora, Citeseer): papers with words and a subject, and citations between them.

    graph = load("cora")                  # $PLANETOID_DIR/cora.npz, else ~/planetoid/cora.npz
    graph.words, graph.edges, graph.labels, graph.parts["test"]

The split is that of Yang, Cohen, Salakhutdinov (2016): 20 papers of each class to train on, 500 for
validation, 1,000 for the test. `python -m examples.datasets.planetoid FOLDER` writes the files.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

NAMES = ("cora", "citeseer")
KEYS = "feature_indptr feature_indices feature_shape adj_indptr adj_indices labels".split()
PARTS = {"training": "train_idx", "validation": "val_idx", "test": "test_idx"}


class Graph(NamedTuple):
    """A graph of N papers.

    Attributes:
        words: Ids of the words of each paper, int32 (N, most words of a paper); 0 is padding.
        edges: Sender and receiver of each citation, in both directions, int32 (E, 2). Citations of
            a paper by itself are left out.
        labels: Class of each paper, int32 (N,); -1 = unknown.
        parts: The papers of "training", "validation" and "test", as indices.
        size: Number of ids of words, with padding.
    """

    words: np.ndarray
    edges: np.ndarray
    labels: np.ndarray
    parts: dict
    size: int


def find_file(data):
    """Return the path of a data set: that of a file, or the place of one of `NAMES`."""
    if data not in NAMES:
        return Path(data)
    return Path(os.environ.get("PLANETOID_DIR", "~/planetoid")).expanduser() / f"{data}.npz"


def load(data):
    """Load a `Graph`.

    Args:
        data: "cora", "citeseer", or the path of an `.npz` file with the arrays of `KEYS` (words and
            citations as in scipy's CSR matrices) and `PARTS` (indices).
    """
    path = find_file(data)
    if not path.is_file():
        raise ValueError(
            f"Expected `data` to be one of {NAMES} or an .npz file. Received: data={data!r}, but "
            f"there is no {path}. `python -m examples.datasets.planetoid {path.parent}` downloads "
            "and converts the data sets; PLANETOID_DIR names another folder"
        )
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in (*KEYS, *PARTS.values())}
    counts = np.diff(arrays["feature_indptr"])
    words = np.zeros((len(counts), counts.max()), "int32")
    words[np.arange(counts.max()) < counts[:, None]] = arrays["feature_indices"] + 1
    receivers = np.repeat(np.arange(len(counts)), np.diff(arrays["adj_indptr"]))
    edges = np.stack([arrays["adj_indices"], receivers], axis=1).astype("int32")
    return Graph(
        words,
        edges[edges[:, 0] != edges[:, 1]],
        arrays["labels"].astype("int32"),
        {part: arrays[key] for part, key in PARTS.items()},
        int(arrays["feature_shape"][1]) + 1,
    )
