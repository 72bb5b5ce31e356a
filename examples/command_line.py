"""The command line of every example: each argument of its `main` is an option."""

import argparse
import inspect

import keras


def run(main, **choices):
    """Call `main` with the options of the command line.

    Args:
        main: Function whose arguments all have defaults. `units=128` becomes `--units 128`, and
            `quick=False` becomes the switch `--quick`. Its module's docstring is the help text.
        **choices: The allowed values of each argument that does not accept all values.
    """
    parser = argparse.ArgumentParser(
        description=inspect.getmodule(main).__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in inspect.signature(main).parameters.items():
        option, default = f"--{name.replace('_', '-')}", parameter.default
        if isinstance(default, bool):
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(
                option,
                type=type(default),
                default=default,
                choices=choices.get(name),
                help=f"default {default}",
            )
    arguments = vars(parser.parse_args())
    if keras.backend.backend() != "tensorflow":
        parser.error(
            "the examples train, compile and export on TensorFlow: set KERAS_BACKEND=tensorflow"
        )
    main(**arguments)
