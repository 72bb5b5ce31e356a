"""Write `tests/api.txt`, the listing of the public API: `python -m tests.write_api`."""

import importlib
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import keras

import keras_attention

LISTING = Path(__file__).parent / "api.txt"
HEADER = """\
# Every public name and its signature, without annotations. A changed line is a changed API: see
# docs/compatibility.md. After an intended change, write this file again: python -m tests.write_api
"""
# Modules that are public but not imported by `import keras_attention`.
LAZY_MODULES = ("keras_attention.testing",)
# Keras calls these methods, so their signatures are Keras's.
KERAS_METHODS = {*dir(keras.layers.Layer), *dir(keras.Model)} - {"call"}
# One class of the package overrides these methods of another. Users do not call them.
HOOKS = {"apply_rotary", "build_all", "build_mask", "read", "read_blockwise"}


class _Default:
    """A default value whose `repr` does not depend on the Python version or on the process."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        is_literal = isinstance(self.value, bool | int | float | str | tuple | None)
        return repr(self.value) if is_literal else f"<{_qualified_name(self.value)}>"


def _qualified_name(value):
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def format_signature(function, skip_first=False):
    """Return the signature of a function as text: names, kinds and defaults of its parameters."""
    parameters = list(_get_parameters(function).values())[skip_first:]
    stripped = [
        parameter.replace(
            annotation=parameter.empty,
            default=parameter.empty
            if parameter.default is parameter.empty
            else _Default(parameter.default),
        )
        for parameter in parameters
    ]
    return str(inspect.Signature(stripped))


def _get_parameters(function):
    """Return the parameters of a function; those of a decorated one are its decorator's.

    A decorator may add parameters, as `normalize.masked` adds `mask`. One that takes anything
    (`*args, **kwargs`) has the parameters of the function that it decorates.
    """
    own = inspect.signature(function, follow_wrapped=False).parameters
    takes_anything = {p.kind for p in own.values()} <= {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    return inspect.signature(function).parameters if takes_anything else own


def list_module(module):
    """Return a line for each public name of a module, its submodules and its classes."""
    lines = []
    for name in getattr(module, "__all__", None) or _list_imports(module):
        value = getattr(module, name)
        path = f"{module.__name__}.{name}"
        if isinstance(value, ModuleType):
            lines += [path, *list_module(value)]
        elif isinstance(value, type):
            lines += _list_class(path, value)
        elif callable(value):
            lines.append(path + format_signature(value))
        else:
            lines.append(f"{path}: {type(value).__name__}")
    return lines


def _list_imports(module):
    """Return the public functions and classes of a module without `__all__`."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]


def _list_class(path, cls):
    """Return a line for the constructor and one for each public method and property."""
    if issubclass(cls, Exception):
        return [path]
    constructor = "__new__" if issubclass(cls, tuple) else "__init__"
    if _is_ours(_find_owner(cls, constructor)):
        lines = [path + format_signature(getattr(cls, constructor), skip_first=True)]
    else:
        lines = [f"{path}(**kwargs)"]  # A constructor of Keras changes with the version of Keras.
    for name in dir(cls):
        owner = _find_owner(cls, name)
        if name.startswith("_") or name in KERAS_METHODS | HOOKS or not _is_ours(owner):
            continue
        member = vars(owner)[name]
        if isinstance(member, staticmethod):
            lines.append(f"{path}.{name}" + format_signature(member.__func__))
        elif isinstance(member, classmethod):
            lines.append(f"{path}.{name}" + format_signature(member.__func__, skip_first=True))
        elif inspect.isfunction(member):
            lines.append(f"{path}.{name}" + format_signature(member, skip_first=True))
        else:
            lines.append(f"{path}.{name}")
    return lines


def _find_owner(cls, name):
    """Return the class that defines an attribute, or None if no class does."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def _is_ours(cls):
    return cls is not None and cls.__module__.startswith("keras_attention")


def list_api():
    """Return the text of the listing."""
    modules = [keras_attention]
    for name in LAZY_MODULES:
        if importlib.util.find_spec(name) is not None:
            modules.append(importlib.import_module(name))
    lines = {line for module in modules for line in list_module(module)}
    return HEADER + "".join(f"{line}\n" for line in sorted(lines))


if __name__ == "__main__":
    LISTING.write_text(list_api(), encoding="utf-8")
