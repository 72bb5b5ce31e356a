"""A SavedModel in a session of TensorFlow's C API."""

import contextlib
import ctypes
import os

from keras_attention.export.checks.c_loader.library import Output, open_library
from keras_attention.export.checks.c_loader.tensors import delete, to_array, to_tensor


class LoaderError(RuntimeError):
    """What TensorFlow reports; `code` is that of its status, and of gRPC's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Model:
    """A loaded SavedModel whose signatures can be called.

    Args:
        path: The version directory, with `saved_model.pb` in it.
        folder: Where TensorFlow is installed.
        disable_xla: Whether to start as TensorFlow Serving does by default.
    """

    def __init__(self, path, folder, disable_xla):
        self.library = open_library(folder)
        if disable_xla:
            self.library._ZN10tensorflow21DisableXlaCompilationEv()
        self.graph = self.library.TF_NewGraph()
        with contextlib.ExitStack() as given_back, contextlib.ExitStack() as given_back_if_it_fails:
            given_back_if_it_fails.callback(self.library.TF_DeleteGraph, self.graph)
            options = self.library.TF_NewSessionOptions()
            given_back.callback(self.library.TF_DeleteSessionOptions, options)
            meta_graph = self.library.TF_NewBuffer()
            given_back.callback(self.library.TF_DeleteBuffer, meta_graph)
            with self._status(f"loading {path}") as status:
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
            self.signatures = _read_signatures(ctypes.string_at(content.data, content.length))
            given_back_if_it_fails.pop_all()

    def run(self, name, inputs):
        """Calls one signature; threads may call at once.

        Args:
            name: Its name.
            inputs: Dict of input name to array; strings are object arrays of bytes.

        Returns:
            Dict of output name to array.

        Raises:
            ValueError: If there is no such signature, or it has other inputs.
            LoaderError: If TensorFlow refuses, with its message; or its graph has not what the
                signature names.
        """
        callable_names = sorted(key for key in self.signatures if not key.startswith("__"))
        if name not in callable_names:
            raise ValueError(f"Expected a signature of {callable_names}. Received: {name!r}")
        signature = self.signatures[name]
        if set(inputs) != set(signature.inputs):
            raise ValueError(
                f"Expected the inputs {sorted(signature.inputs)} for signature {name!r}. "
                f"Received: inputs={sorted(inputs)}"
            )
        with contextlib.ExitStack() as given_back:
            fed = []
            for array in inputs.values():
                fed.append(to_tensor(self.library, array))
                given_back.callback(delete, self.library, fed[-1], array)
            fetched = (ctypes.c_void_p * len(signature.outputs))()
            # Before the inputs, whose memory an output may share: the last one here is the first.
            given_back.callback(self._delete, fetched)
            with self._status(f"running signature {name!r}") as status:
                self.library.TF_SessionRun(
                    self.session,
                    None,
                    self._places(signature.inputs[key] for key in inputs),
                    (ctypes.c_void_p * len(fed))(*fed),
                    len(fed),
                    self._places(signature.outputs.values()),
                    fetched,
                    len(fetched),
                    None,
                    0,
                    None,
                    status,
                )
            pairs = zip(signature.outputs, fetched, strict=True)
            return {key: to_array(self.library, tensor) for key, tensor in pairs}

    def close(self):
        """Gives back the model's memory; no call may be under way, and none come after."""
        with self._status("closing") as status:
            self.library.TF_DeleteSession(self.session, status)
        self.library.TF_DeleteGraph(self.graph)

    @contextlib.contextmanager
    def _status(self, what):
        """A TF_Status to hand to TensorFlow; raises what is in it afterwards."""
        status = self.library.TF_NewStatus()
        try:
            yield status
            code = self.library.TF_GetCode(status)
            if code:
                message = self.library.TF_Message(status).decode(errors="replace")
                raise LoaderError(code, f"TensorFlow's C loader failed in {what}: {message[:1500]}")
        finally:
            self.library.TF_DeleteStatus(status)

    def _delete(self, tensors):
        """Gives back what TensorFlow returned; nothing, where it failed."""
        for tensor in tensors:
            if tensor:
                self.library.TF_DeleteTensor(tensor)

    def _places(self, infos):
        """Where in the graph the given TensorInfo are, as an array of TF_Output."""
        places = []
        for info in infos:
            name, _, index = info.name.rpartition(":")
            operation = self.library.TF_GraphOperationByName(self.graph, name.encode())
            if not operation:  # TF_SessionRun would follow the null pointer
                what = "Expected a signature of tensors that are in the graph. Received:"
                raise LoaderError(3, f"{what} {info.name!r}, which is not")  # INVALID_ARGUMENT
            places.append(Output(operation, int(index)))
        return (Output * len(places))(*places)


def _read_signatures(serialized_meta_graph):
    """The SignatureDef by name, from a MetaGraphDef."""
    # Here, so that this file can be imported where TensorFlow is not. The protos are plain
    # protobuf: they need nothing else of it.
    from tensorflow.core.protobuf import meta_graph_pb2

    return dict(meta_graph_pb2.MetaGraphDef.FromString(serialized_meta_graph).signature_def)
