"""Export a model again and again until killed: `python -m tests.serving.export_forever PATH`."""

import sys

import keras

import keras_attention
from tests.serving import exported

if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    model = exported.make_model()
    print("ready", flush=True)
    while True:
        keras_attention.export.saved_model(model, sys.argv[1])
