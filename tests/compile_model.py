"""Compile a model so that a short training takes little time."""


def compile_model(model, *args, **kwargs):
    """Compile a built model and create the variables of its optimizer.

    Otherwise the first training step creates them, and TensorFlow traces that step twice.
    """
    model.compile(*args, **kwargs)
    model.optimizer.build(model.trainable_variables)
