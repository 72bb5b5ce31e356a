"""Check the tensors that a SavedModel's signatures name."""

from collections.abc import Iterator

from keras_attention.export.checks.reachable import list_signatures


def find_missing_tensors(meta) -> dict[str, str]:
    """Return a problem by signature, for signatures with a tensor that is not in the graph."""
    operations, problems = {node.name for node in meta.graph_def.node}, {}
    for name, signature in list_signatures(meta).items():
        missing = [
            f"{kind} {key!r}: {info.name or info.WhichOneof('encoding')!r}"
            for kind, infos in (("input", signature.inputs), ("output", signature.outputs))
            for key, info in sorted(infos.items())
            if info.name.rpartition(":")[0] not in operations
        ]
        if missing:
            problems[name] = (
                f"Expected the tensors of signature {name!r} to be dense, and to be in the graph. "
                f"Received: {', '.join(missing)}"
            )
    return problems


def find_batch_axis_remarks(meta) -> Iterator[str]:
    """Yield a remark for each signature whose requests a server cannot join into a batch."""
    for name, signature in list_signatures(meta).items():
        without = [
            f"{kind} {key}"
            for kind, infos in (("input", signature.inputs), ("output", signature.outputs))
            for key, info in sorted(infos.items())
            if not info.tensor_shape.unknown_rank and not has_batch_axis(info)
        ]
        if without:
            yield (
                "not for a server that batches requests (--enable_batching), because it has inputs "
                f"or outputs without a batch axis of any size: {name}, {', '.join(without)}"
            )


def describe_tensors(meta) -> dict[str, dict]:
    """Return the dtypes and shapes of all signatures' tensors, in a form that JSON can hold.

    Args:
        meta: MetaGraphDef.

    Returns:
        `{signature: {"inputs": {name: {"dtype": ..., "shape": ...}}, "outputs": {...}}}`. A size is
        None if any is accepted; a shape is None if any rank is.
    """
    import tensorflow as tf

    def describe(infos) -> dict[str, dict]:
        return {
            key: {
                "dtype": tf.dtypes.as_dtype(info.dtype).name,
                "shape": None
                if info.tensor_shape.unknown_rank
                else [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim],
            }
            for key, info in sorted(infos.items())
        }

    return {
        name: {"inputs": describe(signature.inputs), "outputs": describe(signature.outputs)}
        for name, signature in list_signatures(meta).items()
    }


def has_batch_axis(info) -> bool:
    """Return True if the first size of a TensorInfo is unknown."""
    dims = info.tensor_shape.dim
    return len(dims) > 0 and dims[0].size < 0
