"""From a trained model to a directory that TensorFlow Serving serves."""

from keras_attention.export.attention import attention_of
from keras_attention.export.fresh_process import run_in_c_loader
from keras_attention.export.instructions import how_to_serve
from keras_attention.export.labels import label
from keras_attention.export.lengths import with_lengths
from keras_attention.export.report import check
from keras_attention.export.retention import prune
from keras_attention.export.saved_model import saved_model
from keras_attention.export.seed import with_seed
from keras_attention.export.self_check import SelfCheckError
from keras_attention.export.spec import Spec

__all__ = [
    "SelfCheckError",
    "Spec",
    "attention_of",
    "check",
    "how_to_serve",
    "label",
    "prune",
    "run_in_c_loader",
    "saved_model",
    "with_lengths",
    "with_seed",
]
