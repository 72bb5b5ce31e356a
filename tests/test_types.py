"""The public API is annotated, and `tests/typing/public_api.py` uses all of it."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

from tests.write_api import find_owner, find_public_modules, is_ours, list_members, list_names

USES = Path(__file__).parent / "typing" / "public_api.py"
# Methods that Keras calls, which a public layer annotates where it overrides them.
OVERRIDES = """__init__ build compute_mask compute_output_shape compute_output_spec from_config
    get_config""".split()


def list_functions():
    """Yield every public function and every own or inherited method of a public class."""
    for module in find_public_modules():
        for name in list_names(module):
            value = getattr(module, name)
            if isinstance(value, type):
                for member in {*list_members(value), *OVERRIDES}:
                    owner = find_owner(value, member)
                    attribute = vars(owner).get(member) if is_ours(owner) else None
                    attribute = getattr(attribute, "fget", attribute)
                    function = getattr(attribute, "__func__", attribute)
                    if inspect.isfunction(function):
                        yield function
            elif inspect.isfunction(value):
                yield value


def find_unannotated(function):
    """Return the parameters that have no annotation, and "return" if the result has none.

    `*args` and `**kwargs` need none: they are passed on to Keras.
    """
    signature = inspect.signature(function)
    names = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if signature.return_annotation is signature.empty and function.__name__ != "__init__":
        names.append("return")
    is_method = "." in function.__qualname__ and names[:1] in (["self"], ["cls"])
    return names[1:] if is_method else names


def test_public_functions_are_annotated():
    messages = {
        f"{function.__module__}.{function.__qualname__} lacks annotations: {', '.join(missing)}"
        for function in list_functions()
        if (missing := find_unannotated(function))
    }
    assert not messages, "\n".join(sorted(messages))


def test_missing_annotations_are_found():
    class Layer:
        def call(self, inputs, mask: bool, **kwargs): ...

        def __init__(self, units: int): ...

    assert find_unannotated(Layer.call) == ["inputs", "return"]
    assert not find_unannotated(Layer.__init__)


def test_every_public_name_is_used_with_types():
    attributes = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(USES.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    names = {
        f"{module.__name__}.{name}"
        for module in find_public_modules()
        for name in list_names(module)
        if not isinstance(getattr(module, name), ModuleType)
    }
    missing = sorted(names - attributes)
    assert not missing, f"{USES.name} does not use {missing}"
