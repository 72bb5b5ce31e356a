"""The checks of constructor arguments, config and registration."""

import inspect
import re
from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.case import LayerCase
from keras_attention.testing.evaluate import Evaluator
from keras_attention.testing.promise import promise, require


@promise("the config holds every argument of the constructor")
def check_config_holds_every_argument(case: LayerCase) -> None:
    """Create the layer again from its config; compare the configs and the outputs.

    With `case.all_arguments`, every argument is set to a value that is not its default.
    """
    parameters = inspect.signature(case.layer_class.__init__).parameters
    variadic = inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name != "self" and parameter.kind not in variadic
    }
    options = {"name": "named", "dtype": "mixed_bfloat16"}
    if case.all_arguments is not None:
        _check_all_arguments(case, defaults)
        options |= case.all_arguments
    layer = case.make(**options)
    config = layer.get_config()
    missing = {*defaults, *options} - set(config)
    require(not missing, f"The config lacks {sorted(missing)}")
    copy = case.layer_class.from_config(layer.get_config())
    require(copy.get_config() == config, f"Expected {config}, not {copy.get_config()}")
    for x in (layer, copy):
        case.call(x, *(keras.KerasTensor(x.shape, "float32") for x in case.batch()[:2]))
    copy.set_weights(layer.get_weights())
    results = [Evaluator(case.call, x).outputs(*case.batch()) for x in (layer, copy)]
    keras.tree.map_structure(np.testing.assert_array_equal, *results)


def _check_all_arguments(case, defaults):
    arguments = case.all_arguments
    require(set(defaults) == set(arguments), f"`all_arguments` must have {sorted(defaults)}")
    defaults = {k: v for k, v in defaults.items() if k not in case.exclusive_arguments}
    at_default = [name for name, default in defaults.items() if arguments[name] == default]
    require(not at_default, f"`all_arguments` has the defaults of {at_default}")
    config, default_config = case.make(**arguments).get_config(), case.make().get_config()
    lost = [name for name in defaults if name in config and config[name] == default_config[name]]
    require(not lost, f"The config has the default of {lost}, not the argument")


@promise("the class is registered for saving under its own name")
def check_class_is_registered(case: LayerCase) -> None:
    """Compare `keras.saving.get_registered_name` with `package>Name`."""
    name = keras.saving.get_registered_name(case.layer_class)
    package, separator, class_name = name.rpartition(">")
    expected = f"{case.package or 'package'}>{case.layer_class.__name__}"
    is_right_package = case.package in (None, package)
    is_registered = bool(separator) and class_name == case.layer_class.__name__
    require(is_registered and is_right_package, f"Expected {expected!r}, not {name!r}")


@promise("an invalid constructor argument raises an error that names it")
def check_invalid_arguments_raise(case: LayerCase) -> None:
    """Try `case.wrong_arguments`, and an argument that no layer has."""
    for arguments, expected in case.wrong_arguments:
        _check_raises(case, arguments, ValueError, expected, case.error_pattern)
    _check_raises(case, {"no_such_argument": 1}, (TypeError, ValueError), "no_such_argument", "")


def _check_raises(case, arguments, errors, expected, pattern):
    try:
        case.make(**arguments)
    except errors as error:
        message = str(error)
        is_expected = expected in message and re.search(pattern, message, re.DOTALL)
        require(is_expected, f"Expected {expected!r} in {message!r}, which must match {pattern!r}")
        return
    raise AssertionError(f"{arguments} does not raise an error")


CHECKS: list[Callable] = [
    check_config_holds_every_argument,
    check_class_is_registered,
    check_invalid_arguments_raise,
]
