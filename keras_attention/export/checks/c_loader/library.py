"""TensorFlow's C library, loaded from the installed package without importing the package."""

import ctypes
import importlib.util
import os
import sys
from ctypes import POINTER as array_of
from ctypes import c_char_p as text
from ctypes import c_int as int32
from ctypes import c_int64 as int64
from ctypes import c_size_t as size
from ctypes import c_void_p as pointer


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = [("data", pointer), ("length", size), ("deallocator", pointer)]


class Output(ctypes.Structure):
    """TF_Output: one output of one operation."""

    _fields_ = [("operation", pointer), ("index", int32)]


class String(ctypes.Structure):
    """TF_TString: 24 opaque bytes, accessed only through TensorFlow's functions."""

    _fields_ = [("opaque", ctypes.c_uint64 * 3)]


FUNCTIONS = {  # name: (type of the result, *types of the arguments)
    "TF_NewStatus": (pointer,),
    "TF_DeleteStatus": (None, pointer),
    "TF_GetCode": (int32, pointer),
    "TF_Message": (text, pointer),
    "TF_NewSessionOptions": (pointer,),
    "TF_DeleteSessionOptions": (None, pointer),
    "TF_NewGraph": (pointer,),
    "TF_DeleteGraph": (None, pointer),
    "TF_NewBuffer": (array_of(Buffer),),
    "TF_DeleteBuffer": (None, array_of(Buffer)),
    "TF_LoadSessionFromSavedModel": (
        *(pointer, pointer, pointer, text, array_of(text), int32),
        *(pointer, array_of(Buffer), pointer),
    ),
    "TF_LoadLibrary": (pointer, text, pointer),
    "TF_DeleteLibraryHandle": (None, pointer),
    "TF_DeleteSession": (None, pointer, pointer),
    "TF_GraphOperationByName": (pointer, pointer, text),
    "TF_AllocateTensor": (pointer, int32, array_of(int64), int32, size),
    "TF_DeleteTensor": (None, pointer),
    "TF_TensorData": (pointer, pointer),
    "TF_TensorType": (int32, pointer),
    "TF_NumDims": (int32, pointer),
    "TF_Dim": (int64, pointer, int32),
    "TF_StringInit": (None, array_of(String)),
    "TF_StringCopy": (None, array_of(String), text, size),
    "TF_StringGetDataPointer": (pointer, array_of(String)),
    "TF_StringGetSize": (size, array_of(String)),
    "TF_StringDealloc": (None, array_of(String)),
    "TF_SessionRun": (
        *(None, pointer, pointer, array_of(Output), array_of(pointer), int32),
        *(array_of(Output), array_of(pointer), int32, pointer, int32, pointer, pointer),
    ),
    "_ZN10tensorflow21DisableXlaCompilationEv": (None,),  # tensorflow::DisableXlaCompilation()
}

LIBRARY_FILES = (  # one pair per platform, in the order in which the files must be loaded
    ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"),  # Linux
    ("libtensorflow_framework.2.dylib", "libtensorflow_cc.2.dylib"),  # macOS
)


def find_tensorflow_folder() -> str:
    """Return the folder in which TensorFlow is installed."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            f"Expected tensorflow to be installed. Received: python={sys.executable}"
        )
    return spec.submodule_search_locations[0]


def open_library(folder: str) -> ctypes.CDLL:
    """Load the C API from TensorFlow's folder, and declare the types of its functions."""
    for names in LIBRARY_FILES:
        paths = [os.path.join(folder, name) for name in names]
        if all(os.path.exists(path) for path in paths):
            *_, library = (ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL) for path in paths)
            for name, (result, *arguments) in FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
            return library
    expected = " or ".join(" and ".join(names) for names in LIBRARY_FILES)
    raise RuntimeError(
        f"Expected TensorFlow's C++ library beside its Python code: {expected}. "
        f"Received: folder={folder!r} with {sorted(os.listdir(folder))}"
    )
