"""Which layers Keras's own `model.export(format=...)` carries to other runtimes, and how well."""
