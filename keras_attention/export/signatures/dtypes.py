"""Refuse inputs and outputs of dtypes that clients cannot send or receive."""

from keras_attention.export.checks.c_loader.tensors import NUMBERS

DTYPES = (*sorted(NUMBERS), "string")


def check_dtype(signature: str, kind: str, name: str, dtype: str) -> None:
    """Raise a ValueError for a dtype such as float8 or a quantized integer.

    Args:
        signature: The signature's name.
        kind: "input" or "output".
        name: The name of the input or output.
        dtype: The name of its dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(
            f"Expected {kind} {name!r} of signature {signature!r} to have a dtype out of "
            f"{[*DTYPES]}. Received: dtype={dtype}. Cast it in the signature's function, with "
            "keras.ops.cast"
        )
