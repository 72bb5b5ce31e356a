"""The code in docs/trained_models.md runs, and its one-step model has all weights."""

import re
from pathlib import Path

import keras
import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "trained_models.md"


def test_code_blocks_run_and_a_loop_of_steps_matches_one_call():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(block, names)
    shapes = {name: tuple(weights.shape) for name, weights in names["weights"].items()}
    assert shapes == {"heads": (2, 2, 5, 5), "pooling": (2, 5)}
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=s).astype("float32") for s in ((2, 4, 8), (2, 3, 5)))
    state, outputs = [np.zeros((2, 6), "float32"), np.zeros((2,), "int32")], []
    for token in range(3):
        inputs = source, target[:, token : token + 1], *state
        output, _, *state = names["step"]([keras.ops.convert_to_tensor(x) for x in inputs])
        outputs.append(keras.ops.convert_to_numpy(output))
    expected = keras.ops.convert_to_numpy(names["model"]([source, target]))
    np.testing.assert_allclose(np.concatenate(outputs, 1), expected, atol=1e-5)
    assert len(names["step"].weights) == len(names["model"].weights)
