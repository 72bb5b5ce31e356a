"""The `config.pbtxt` of a Triton model, from a signature of a SavedModel."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from keras_attention.export.checks.signature_tensors import has_batch_axis

DTYPES = {  # TensorFlow's DataType: Triton's
    1: "TYPE_FP32",
    2: "TYPE_FP64",
    3: "TYPE_INT32",
    4: "TYPE_UINT8",
    5: "TYPE_INT16",
    6: "TYPE_INT8",
    7: "TYPE_STRING",
    9: "TYPE_INT64",
    10: "TYPE_BOOL",
    17: "TYPE_UINT16",
    19: "TYPE_FP16",
    22: "TYPE_UINT32",
    23: "TYPE_UINT64",
}


def format_config(
    name: str,
    signature: Any,
    parameters: Mapping[str, str],
    max_batch_size: int,
    max_delay: int,
) -> str:
    """Return the text of a `config.pbtxt`.

    Triton joins only requests of equal shapes. It does so if all inputs and outputs of the
    signature have a first dimension of unknown size.

    Args:
        name: Name of the Triton model.
        signature: A SignatureDef.
        parameters: Texts that Triton passes to the model.
        max_batch_size: Maximum number of rows of a joined request, and of a single one. 0: requests
            are not joined.
        max_delay: Microseconds for which a request may wait for others.

    Raises:
        ValueError: If Triton has no dtype or shape like that of an input or output.
    """
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    has_batches = max_batch_size > 0 and all(
        not info.tensor_shape.unknown_rank and has_batch_axis(info) for info in infos
    )
    lines = [
        f"name: {json.dumps(name)}",
        'backend: "python"',
        f"max_batch_size: {max_batch_size if has_batches else 0}",
        "instance_group [ { count: 1 kind: KIND_CPU } ]",
    ]
    if has_batches:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {max_delay} }}")
    lines += _format_tensors("input", signature.inputs, has_batches)
    lines += _format_tensors("output", signature.outputs, has_batches)
    for key, value in parameters.items():
        text = f"key: {json.dumps(key)} value {{ string_value: {json.dumps(value)} }}"
        lines.append(f"parameters {{ {text} }}")
    return "".join(f"{line}\n" for line in lines)


def _format_tensors(kind: str, infos: Mapping[str, Any], has_batches: bool) -> Iterable[str]:
    """Yield a line for each input or output."""
    for name, info in sorted(infos.items()):
        if info.dtype not in DTYPES or info.tensor_shape.unknown_rank:
            raise ValueError(
                f"Expected the {kind} {name!r} to have a rank and a dtype that Triton's Python "
                f"backend has. Received: DataType {info.dtype}, unknown rank: "
                f"{info.tensor_shape.unknown_rank}"
            )
        dims = [dim.size for dim in info.tensor_shape.dim][has_batches:]
        # Triton's dims have at least one size, which it removes again before it calls the model.
        shape = f"dims: {dims}" if dims else "dims: [1] reshape { shape: [] }"
        text = f"name: {json.dumps(name)} data_type: {DTYPES[info.dtype]} {shape}"
        yield f"{kind} [ {{ {text} }} ]"
