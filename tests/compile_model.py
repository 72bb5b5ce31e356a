"""Compile a model for a short training."""


def compile_model(model, *args, **kwargs):
    """Compile a built model and create the variables of its optimizer.

    Otherwise the first training step creates them, and TensorFlow traces such a step twice.
    """
    model.compile(*args, **kwargs)
    model.optimizer.build(model.trainable_variables)
