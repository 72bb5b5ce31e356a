"""The recurrent encoder-decoders: their decoding steps equal the training models."""

import keras
import numpy as np
import pytest
from keras import ops

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples.encoder_decoder import ATTENTIONS, EncoderDecoder
from examples.gnmt_network import GNMT

START, END = 2, 3


@pytest.fixture(params=[*ATTENTIONS, "gnmt"])
def network(request):
    keras.utils.set_random_seed(0)
    if request.param == "gnmt":
        return GNMT(13, 11, START, END, units=6, depth=3)
    return EncoderDecoder(13, 11, START, END, 5, 6, request.param, max_source=17)


def test_decoding_steps_equal_the_training_model(network):
    rng = np.random.default_rng(0)
    source, target = rng.integers(4, 11, (2, 7)), rng.integers(4, 11, (2, 5))
    source[0, 4:] = 0
    expected = ops.convert_to_numpy(network.model([source, target]))
    begin = network.begin(source, max_length=7)
    state, memory = begin["state"], begin["memory"]
    for t in range(5):
        logits, state, alignment = network.step(target[:, t], state, memory)
        np.testing.assert_allclose(ops.convert_to_numpy(logits), expected[:, t], atol=1e-5)
        if alignment is not None:
            np.testing.assert_array_equal(ops.convert_to_numpy(alignment)[0, 4:], 0)


def test_greedy_emits_the_most_likely_tokens(network):
    source = np.array([[5, 6, 7, 0]])
    decoded = network.greedy(source, 6)
    tokens = ops.convert_to_numpy(decoded.tokens)[0]
    length = int(decoded.lengths[0])
    shifted = np.concatenate([[START], tokens[: length - 1]])[None]
    most_likely = ops.convert_to_numpy(network.model([source, shifted]))[0].argmax(-1)
    np.testing.assert_array_equal(tokens[:length], most_likely)


def test_a_wider_beam_is_never_less_likely_than_greedy(network):
    source = np.array([[5, 6, 7, 0], [8, 9, 0, 0]])
    greedy, beam = network.greedy(source, 6), network.beam_search(source, 6, beam_width=60)
    assert (ops.convert_to_numpy(beam.scores[:, 0] - greedy.scores) >= -1e-5).all()


@pytest.mark.parametrize("residual", [True, False])
def test_third_and_higher_layers_add_their_input(residual):
    """A layer without weights returns 0, or its input if it is residual."""
    keras.utils.set_random_seed(0)
    network = GNMT(13, 11, START, END, units=6, depth=4, residual=residual)
    for stack, layer in ((network.encoder.cell, 1), (network.decoder.cell, 2)):
        for cell in stack.cells[layer:]:
            cell.set_weights([np.zeros_like(array) for array in cell.get_weights()])
    source = np.array([[5, 6, 7, 8]])
    below = keras.layers.RNN(network.encoder.cell.cells[0], return_sequences=True)
    second = below(network.bottom(network.embed_source(source)))
    expected = second if residual else np.zeros_like(second)
    np.testing.assert_allclose(network.encode(source), expected, atol=1e-6)


def test_a_deep_network_of_one_layer_is_refused():
    with pytest.raises(ValueError, match="`depth` to be at least 2. Received: depth=1"):
        GNMT(13, 11, START, END, units=6, depth=1)
