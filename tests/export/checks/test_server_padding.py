"""Which answers count as changed where a server pads."""

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
    ("half", "dtype", "changed_to", "is_remarked"),
    [
        (True, "float16", 1.01, False),
        (True, ml_dtypes.bfloat16, 1.01, False),
        (True, "float32", 1.01, False),
        (True, "float16", 1.1, True),
        (False, "float32", 1.01, True),
        (False, "float32", 1.00005, False),
    ],
)
def test_answers_may_differ_as_much_as_an_export_may(
    monkeypatch, half, dtype, changed_to, is_remarked
):
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef()
    text_format.Parse(SIGNATURE, meta.signature_def["serve"])
    answers = iter([np.ones((1, 2), dtype), np.full((1, 5), changed_to, dtype)])
    monkeypatch.setattr(server_padding, "run_calls", lambda path, calls: [{"y": next(answers)}])
    monkeypatch.setattr(server_padding, "computes_in_half", lambda path: half)
    remarks = list(server_padding.remarks("1", meta, [("serve", {"x": np.ones((1, 2))})]))
    assert len(remarks) == is_remarked
