"""Export a trained model to a directory that TensorFlow Serving can serve."""

from keras_attention.export.check import check
from keras_attention.export.checks.fresh_process import run_in_c_loader
from keras_attention.export.checks.outputs import SelfCheckError
from keras_attention.export.requests.instructions import how_to_serve
from keras_attention.export.requests.openapi import openapi
from keras_attention.export.requests.smoke import smoke
from keras_attention.export.saved_model import saved_model
from keras_attention.export.signatures.attention_scores import attention_of
from keras_attention.export.signatures.lengths import with_lengths
from keras_attention.export.signatures.saliency import saliency_of
from keras_attention.export.signatures.seed import with_seed
from keras_attention.export.signatures.spec import Spec
from keras_attention.export.triton.repository import triton
from keras_attention.export.versions.labels import label
from keras_attention.export.versions.prune import prune

__all__ = [
    "SelfCheckError",
    "Spec",
    "attention_of",
    "check",
    "how_to_serve",
    "label",
    "openapi",
    "prune",
    "run_in_c_loader",
    "saliency_of",
    "saved_model",
    "smoke",
    "triton",
    "with_lengths",
    "with_seed",
]
