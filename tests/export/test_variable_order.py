"""The variables of an export have the same order in every process."""

import numpy as np
import tensorflow as tf


def test_variables_are_written_in_the_order_of_their_names(translator_export):
    model, _, path = translator_export
    prefix = str(path / "variables" / "variables")
    keys = [name for name, _ in tf.train.list_variables(prefix) if "_all_variables" in name]
    keys.sort(key=lambda name: int(name.split("/")[1]))
    expected = sorted(model.weights, key=lambda variable: variable.value.name)
    assert len(keys) == len(expected) > 5
    for key, variable in zip(keys, expected, strict=True):
        np.testing.assert_array_equal(tf.train.load_variable(prefix, key), variable.numpy())
