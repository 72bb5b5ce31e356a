import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the comparison is with Keras on TensorFlow", allow_module_level=True)

from benchmarks import promises


def test_our_layers_have_only_zeros_in_every_experiment(capsys):
    promises.main()
    rows = [line.strip("|").split("|") for line in capsys.readouterr().out.splitlines()[3:]]
    assert len(rows) == len(promises.EXPERIMENTS)
    for title, *cells in rows:
        ours = [float(cell) for cell in cells[1::2]]
        assert ours == [0, 0], title
