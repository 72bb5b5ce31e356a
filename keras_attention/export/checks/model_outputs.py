"""The outputs that an export must reproduce, computed eagerly in this process."""

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.requests.call import Call, run_eagerly
from keras_attention.export.signatures.reference import get_reference


def compute_outputs(call: Call) -> dict[str, np.ndarray]:
    """Run a signature's function and return its outputs as arrays."""
    return {name: as_array(tensor.numpy()) for name, tensor in run_eagerly(call).items()}


def compute_expected_outputs(call: Call) -> dict[str, np.ndarray]:
    """Compute the outputs without the function that is exported, where there is another way."""
    function = get_reference(call.signature.function)
    return compute_outputs(Call(call.signature._replace(function=function), call.inputs))
