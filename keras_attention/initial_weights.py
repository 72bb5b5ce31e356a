"""One initializer for several weights, that shall not start out equal."""

import keras


def clone_initializer(initializer):
    """A copy of an initializer: one object that is called twice draws the same numbers twice.

    A function is given back as it is; copies of an initializer with a seed draw what the seed says.
    """
    is_object = isinstance(initializer, keras.initializers.Initializer)
    return initializer.clone() if is_object else initializer
