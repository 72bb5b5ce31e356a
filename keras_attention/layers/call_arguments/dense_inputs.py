"""A base class that rejects ragged, sparse and text inputs before the layer is built."""

from typing import Any

from keras_attention.base_layer import BaseLayer
from keras_attention.tensors import check_tensors


class DenseInputsLayer(BaseLayer):
    """A layer that checks the first tensors of a call before `build`.

    `build` and Keras's own check receive only shapes. For a ragged tensor, they would raise an
    error about its width, which is unknown or wrong.
    """

    _tensor_arguments: tuple[str, ...] = ("inputs",)  # names of the first arguments of the call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        names = self._tensor_arguments
        for name, x in (*zip(names, args, strict=False), *kwargs.items()):
            if name in names:
                check_tensors(name, x)
        return super().__call__(*args, **kwargs)
