"""Exports of a model by two new processes have the same bytes."""

import subprocess
import sys

PROGRAM = """
import sys, keras
from keras_attention import export
inputs = {name: keras.Input((None, 4), name=name) for name in ("query", "value", "mask", "bias")}
text = keras.Input((None,), dtype="string", name="text")
ids = keras.layers.StringLookup(vocabulary=["a", "b"], mask_token="")(text)
added = keras.layers.Add()(list(inputs.values()))
dense = keras.layers.Dense(2, kernel_initializer="ones")
model = keras.Model({**inputs, "text": text}, {"ids": ids, "added": dense(added)})
export.saved_model(model, sys.argv[1])
"""


def test_two_processes_export_the_same_bytes(tmp_path):
    folders = [tmp_path / name / "m" for name in ("first", "second")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)], stderr=subprocess.PIPE, text=True
        )
        for folder in folders
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    first, second = (
        [
            line
            for line in (folder / "1/assets.extra/SHA256SUMS").read_text().splitlines()
            if not line.endswith("fingerprint.pb")  # It holds a random identifier.
        ]
        for folder in folders
    )
    assert len(first) > 5 and first == second
