"""A SavedModel in a session of TensorFlow's C API."""

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from keras_attention.export.checks.c_loader.library import Output, open_library
from keras_attention.export.checks.c_loader.op_libraries import find_library_files
from keras_attention.export.checks.c_loader.signatures import select_for_clients
from keras_attention.export.checks.c_loader.tensors import delete_tensor, to_array, to_tensor

# Status codes of TensorFlow and gRPC.
UNKNOWN = 2
INVALID_ARGUMENT = 3
OUT_OF_RANGE = 11


class LoaderError(RuntimeError):
    """An error reported by TensorFlow; `code` is its status code, which equals gRPC's."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Model:
    """A loaded SavedModel whose signatures can be called.

    Args:
        path: The version directory, which holds `saved_model.pb`.
        folder: The folder in which TensorFlow is installed.
        disable_xla: Whether to switch off XLA, as TensorFlow Serving does by default.
    """

    def __init__(self, path: str | os.PathLike, folder: str, disable_xla: bool):
        self.library = open_library(folder)
        if disable_xla:
            self.library._ZN10tensorflow21DisableXlaCompilationEv()
        try:
            self._load(path)
        except LoaderError as error:
            if "Op type not registered" not in str(error) or not self._load_op_libraries():
                raise
            self._load(path)

    def _load(self, path: str | os.PathLike) -> None:
        """Load the graph, the variables and the signatures."""
        self.graph = self.library.TF_NewGraph()
        with contextlib.ExitStack() as cleanup, contextlib.ExitStack() as cleanup_on_failure:
            cleanup_on_failure.callback(self.library.TF_DeleteGraph, self.graph)
            options = self.library.TF_NewSessionOptions()
            cleanup.callback(self.library.TF_DeleteSessionOptions, options)
            meta_graph = self.library.TF_NewBuffer()
            cleanup.callback(self.library.TF_DeleteBuffer, meta_graph)
            with self._check_status(f"loading {path}") as status:
                self.session = self.library.TF_LoadSessionFromSavedModel(
                    options,
                    None,
                    os.fsencode(path),
                    (ctypes.c_char_p * 1)(b"serve"),
                    1,
                    self.graph,
                    meta_graph,
                    status,
                )
            content = meta_graph.contents
            self.signatures = _parse_signatures(ctypes.string_at(content.data, content.length))
            cleanup_on_failure.pop_all()

    def _load_op_libraries(self) -> int:
        """Load the installed libraries of operations, and return their number."""
        count = 0
        for _, file in find_library_files():
            # A library for another version of TensorFlow is of no use, but another one may be.
            with contextlib.suppress(LoaderError), self._check_status(f"loading {file}") as status:
                handle = self.library.TF_LoadLibrary(os.fsencode(file), status)
                if handle:
                    self.library.TF_DeleteLibraryHandle(handle)
                    count += 1
        return count

    def run(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Call one signature. Several threads may call it at the same time.

        Args:
            name: Name of the signature.
            inputs: Dict of input name to array; strings are object arrays of bytes.

        Returns:
            Dict of output name to array.

        Raises:
            ValueError: If there is no such signature, or it has other inputs.
            LoaderError: If TensorFlow reports an error, with its message, or if the signature
                names a tensor that is not in the graph.
        """
        signatures = select_for_clients(self.signatures)
        if name not in signatures:
            raise ValueError(f"Expected a signature of {[*signatures]}. Received: {name!r}")
        signature = signatures[name]
        if set(inputs) != set(signature.inputs):
            raise ValueError(
                f"Expected the inputs {sorted(signature.inputs)} for signature {name!r}. "
                f"Received: inputs={sorted(inputs)}"
            )
        with contextlib.ExitStack() as cleanup:
            input_tensors = []
            for array in inputs.values():
                input_tensors.append(to_tensor(self.library, array))
                cleanup.callback(delete_tensor, self.library, input_tensors[-1], array)
            output_tensors = (ctypes.c_void_p * len(signature.outputs))()
            # Outputs may share memory with inputs, so they are deleted first: ExitStack runs its
            # callbacks in reverse order.
            cleanup.callback(self._delete_outputs, output_tensors)
            with self._check_status(f"running signature {name!r}") as status:
                self.library.TF_SessionRun(
                    self.session,
                    None,
                    self._find_in_graph(signature.inputs[key] for key in inputs),
                    (ctypes.c_void_p * len(input_tensors))(*input_tensors),
                    len(input_tensors),
                    self._find_in_graph(signature.outputs.values()),
                    output_tensors,
                    len(output_tensors),
                    None,
                    0,
                    None,
                    status,
                )
            pairs = zip(signature.outputs, output_tensors, strict=True)
            return {key: to_array(self.library, tensor) for key, tensor in pairs}

    def close(self) -> None:
        """Free the model's memory. No call may be running at that time or follow it."""
        with self._check_status("closing") as status:
            self.library.TF_DeleteSession(self.session, status)
        self.library.TF_DeleteGraph(self.graph)

    @contextlib.contextmanager
    def _check_status(self, action: str) -> Iterator[int]:
        """Provide a TF_Status for a call of TensorFlow; raise the error that it reports."""
        status = self.library.TF_NewStatus()
        try:
            yield status
            code = self.library.TF_GetCode(status)
            if code:
                message = self.library.TF_Message(status).decode(errors="replace")
                raise LoaderError(
                    code, f"TensorFlow's C loader failed in {action}: {message[:1500]}"
                )
        finally:
            self.library.TF_DeleteStatus(status)

    def _delete_outputs(self, tensors: Iterable[int | None]) -> None:
        """Delete the tensors that TensorFlow returned; after a failure there are none."""
        for tensor in tensors:
            if tensor:
                self.library.TF_DeleteTensor(tensor)

    def _find_in_graph(self, infos: Iterable):
        """Return the graph's tensors with the names of `infos` as an array of TF_Output."""
        outputs = []
        for info in infos:
            name, _, index = info.name.rpartition(":")
            operation = self.library.TF_GraphOperationByName(self.graph, name.encode())
            if not operation:  # TF_SessionRun would dereference the null pointer.
                raise LoaderError(
                    INVALID_ARGUMENT,
                    "Expected the signature's tensors to be in the graph. "
                    f"Received: {info.name!r}, which is not in it",
                )
            outputs.append(Output(operation, int(index)))
        return (Output * len(outputs))(*outputs)


def _parse_signatures(serialized_meta_graph: bytes) -> dict:
    """Return the SignatureDef by name, from a serialized MetaGraphDef."""
    # The import is local so that this file can be imported without TensorFlow. The module holds
    # only generated protobuf code, which imports nothing else of TensorFlow.
    from tensorflow.core.protobuf import meta_graph_pb2

    return dict(meta_graph_pb2.MetaGraphDef.FromString(serialized_meta_graph).signature_def)
