"""Write `tests/api.txt`, the listing of the public API: `python -m tests.write_api`."""

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
# Keras calls these methods, so their signatures are Keras's.
KERAS_CLASSES = keras.layers.Layer, keras.Model, keras.callbacks.Callback
KERAS_METHODS = {name for cls in KERAS_CLASSES for name in dir(cls)} - {"call"}
# Layers of the package override these methods; users do not call them.
HOOKS = {"apply_rotary", "build_all", "build_mask", "read", "read_blockwise"}


class _Default:
    """A default value whose `repr` is the same in every Python version and process."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        if isinstance(self.value, bool | int | float | str | tuple | None):
            return repr(self.value)
        named = self.value if hasattr(self.value, "__qualname__") else type(self.value)
        return f"<{named.__qualname__}>"


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
    """Return the parameters of a function, which may be decorated.

    A decorator may add parameters, as `normalize.masked` adds `mask`. If it takes only
    `*args, **kwargs`, return the parameters of the decorated function instead.
    """
    own = inspect.signature(function, follow_wrapped=False).parameters
    takes_anything = {p.kind for p in own.values()} <= {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }
    return inspect.signature(function).parameters if takes_anything else own


def find_public_modules():
    """Return `keras_attention` and its public modules."""
    modules = [keras_attention]
    for module in modules:  # The loop also visits the modules that it appends.
        values = (getattr(module, name) for name in list_names(module))
        modules += [v for v in values if isinstance(v, ModuleType) and v not in modules]
    return modules


def list_names(module):
    """Return `__all__` if there is one, otherwise the public functions and classes."""
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith(module.__name__)
    ]


def list_members(cls):
    """Return the names of the package's own public methods and properties of a class."""
    # The fields of named tuples and dataclasses are arguments of the constructor.
    fields = {*getattr(cls, "_fields", ()), *getattr(cls, "__dataclass_fields__", ())}
    skipped = KERAS_METHODS | HOOKS | fields
    return [
        name
        for name in dir(cls)
        if not name.startswith("_") and name not in skipped and is_ours(find_owner(cls, name))
    ]


def find_owner(cls, name):
    """Return the class that defines an attribute, or None if no class does."""
    return next((base for base in cls.__mro__ if name in vars(base)), None)


def is_ours(cls):
    """Return True if a class belongs to the package."""
    return cls is not None and cls.__module__.startswith("keras_attention")


def _format_class(path, cls):
    """Return a line for the constructor and one for each public method and property."""
    if issubclass(cls, Exception):
        return [path]
    constructor = "__new__" if issubclass(cls, tuple) else "__init__"
    if is_ours(find_owner(cls, constructor)):
        lines = [path + format_signature(getattr(cls, constructor), skip_first=True)]
    else:
        lines = [f"{path}(**kwargs)"]  # A constructor of Keras changes with the version of Keras.
    for name in list_members(cls):
        member = vars(find_owner(cls, name))[name]
        if isinstance(member, staticmethod):
            lines.append(f"{path}.{name}" + format_signature(member.__func__))
        elif isinstance(member, classmethod):
            lines.append(f"{path}.{name}" + format_signature(member.__func__, skip_first=True))
        elif inspect.isfunction(member):
            lines.append(f"{path}.{name}" + format_signature(member, skip_first=True))
        else:
            lines.append(f"{path}.{name}")
    return lines


def _format_value(path, value):
    """Return the lines of a public name."""
    if isinstance(value, ModuleType):
        return [path]
    if isinstance(value, type):
        return _format_class(path, value)
    if callable(value):
        return [path + format_signature(value)]
    return [f"{path}: {type(value).__name__}"]


def list_api():
    """Return the text of `tests/api.txt`."""
    lines = {
        line
        for module in find_public_modules()
        for name in list_names(module)
        for line in _format_value(f"{module.__name__}.{name}", getattr(module, name))
    }
    return HEADER + "".join(f"{line}\n" for line in sorted(lines))


if __name__ == "__main__":
    LISTING.write_text(list_api(), encoding="utf-8")
