"""A program that exports again and again: `python -m tests.serving.killed_export DIRECTORY`."""

import sys

import keras

import keras_attention
from tests.serving import exported

if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    reader = exported.model()
    print("ready", flush=True)
    while True:
        keras_attention.export.saved_model(reader, sys.argv[1])
        print("exported", flush=True)
