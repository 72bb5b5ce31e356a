"""The tolerance for changes that a server's padding makes."""

import ml_dtypes
import numpy as np
import pytest
from google.protobuf import text_format

from keras_attention.export.checks import server_padding

SIGNATURE = """
inputs { key: "x" value { tensor_shape { dim { size: -1 } dim { size: -1 } } } }
outputs { key: "y" value { } }
"""


@pytest.mark.parametrize(
    ("is_half", "dtype", "changed_to", "is_remarked"),
    [
        (True, "float16", 1.01, False),
        (True, ml_dtypes.bfloat16, 1.01, False),
        (True, "float32", 1.01, False),
        (True, "float16", 1.1, True),
        (False, "float32", 1.01, True),
        (False, "float32", 1.00005, False),
    ],
)
def test_the_tolerance_is_that_of_the_output_check(
    monkeypatch, is_half, dtype, changed_to, is_remarked
):
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef()
    text_format.Parse(SIGNATURE, meta.signature_def["serve"])
    answers = [{"y": np.ones((1, 2), dtype)}]
    padded_answers = [{"y": np.full((1, 5), changed_to, dtype)}]
    monkeypatch.setattr(server_padding, "run_calls", lambda path, calls: padded_answers)
    half = {("serve", "y")} if is_half else set()
    monkeypatch.setattr(server_padding, "find_half_precision_outputs", lambda meta: half)
    calls = [("serve", {"x": np.ones((1, 2))})]
    remarks = server_padding.find_padding_remarks("1", meta, calls, answers)
    assert len(list(remarks)) == is_remarked
