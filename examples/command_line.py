"""The command line of every example: each argument of its `main` is an option."""

import argparse
import inspect
import re

import keras

# Descriptions of the arguments that several examples share.
SHARED = {
    "epochs": "Number of epochs",
    "seed": "Seed of all random numbers",
    "strategy": "Training on several devices or machines, see docs/training.md",
    "quick": "Run all steps at small sizes, in about a minute",
    "runs": "Folder of checkpoints and of figures.json, the numerical results",
    "pictures": "Folder of plots",
    "saved_models": "Folder of exports",
}


def run(main, **choices):
    """Call `main` with the options of the command line.

    Args:
        main: Function whose arguments all have defaults. `units=128` becomes `--units 128`,
            `layers=(2, 8)` becomes `--layers 2 8`, and `quick=False` becomes the switch `--quick`.
            The help text is the docstring of its module; the options are described in the section
            "Args" of its own docstring.
        **choices: The allowed values of each argument that does not accept all values.
    """
    parser = argparse.ArgumentParser(
        description=inspect.getmodule(main).__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    descriptions = SHARED | parse_descriptions(main)
    for name, parameter in inspect.signature(main).parameters.items():
        option, default = f"--{name.replace('_', '-')}", parameter.default
        description = descriptions.get(name, name)
        if isinstance(default, bool):
            parser.add_argument(option, action="store_true", help=description)
            continue
        values = default if isinstance(default, tuple) else (default,)
        parser.add_argument(
            option,
            type=type(values[0]),
            nargs="+" if values is default else None,
            default=default,
            choices=choices.get(name),
            help=f"{description} (default: {' '.join(map(str, values))})",
        )
    arguments = vars(parser.parse_args())
    if keras.backend.backend() != "tensorflow":
        parser.error(
            "the examples train, compile and export on TensorFlow: set KERAS_BACKEND=tensorflow"
        )
    main(**arguments)


def parse_descriptions(function):
    """Return {argument: description} from the section "Args" of a function's docstring."""
    section = (inspect.getdoc(function) or "").partition("Args:\n")[2]
    pairs = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()).removesuffix(".") for name, text in pairs}
