"""Conversion of the layers to other runtimes by Keras's `model.export(format=...)`, tested."""
