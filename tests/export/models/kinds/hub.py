"""Networks of keras_hub, with random weights; skipped if it is not installed."""

import functools
import importlib.util

from tests.export.models.tries import Case, NotInstalledError, Tries

tries = Tries("keras_hub")
TEXT = {"vocabulary_size": 30, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16}
OPTIONS = {  # by the name of the network
    "BertBackbone": {"num_heads": 2, "max_sequence_length": 16, "num_segments": 4},
    "GPT2Backbone": {"num_heads": 2, "max_sequence_length": 16},
    "LlamaBackbone": {"num_query_heads": 2, "num_key_value_heads": 1},
    "WhisperBackbone": {
        **{"num_heads": 2, "num_mels": 4},
        **{"max_encoder_sequence_length": 32, "max_decoder_sequence_length": 16},
    },
}


def make(name):
    """The case of a network."""
    if importlib.util.find_spec("keras_hub") is None:
        raise NotInstalledError("keras_hub is not installed")
    import keras_hub

    model = getattr(keras_hub.models, name)(**TEXT, **OPTIONS[name])
    return Case(model, tolerance=1e-4)


for one in OPTIONS:
    tries.add(one, functools.partial(make, one), one == "BertBackbone")
