"""The Transformer example: its quick run, decoding steps, masks and loss."""

import os

import keras
import numpy as np
import pytest
from keras import ops

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import keras_attention
from examples import transformer
from keras_attention import export


def network(norm="post"):
    keras.utils.set_random_seed(0)
    settings = {"blocks": 2, "heads": 2, "units": 6, "hidden": 7, "dropout": 0.3, "norm": norm}
    return transformer.Transformer(11, start=2, end=3, **settings)


SOURCE = np.array([[5, 7, 9, 3, 0], [4, 3, 0, 0, 0], [6, 6, 8, 9, 3]], "int32")


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
def test_the_quick_run_trains_translates_draws_and_exports(tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = transformer.main(quick=True, **folders)
    assert figures["test perplexity"] < 1000
    for name in ("transformer_quick.png", "transformer_heads_quick.png"):
        assert (tmp_path / "pictures" / name).read_bytes()[:4] == b"\x89PNG"
    for kind in ("encoder", "self_attention", "cross_attention"):
        page = tmp_path / f"pictures/transformer_heads_quick_{kind}.html"
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    path = tmp_path / "saved_models/transformer_quick/1"
    for texts in ([b"Ein Hund."], [b"", b"x " * 50]):
        outputs = export.run_in_c_loader(path, "decode", {"text": np.array(texts)})
        assert outputs["text"].shape == (len(texts),)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_scores_of_decoding_steps_equal_the_training_model(norm):
    net = network(norm)
    decoded = net.greedy(SOURCE, 6)
    tokens, lengths = (ops.convert_to_numpy(x) for x in (decoded.tokens, decoded.lengths))
    shifted = np.concatenate([np.full((3, 1), net.start), tokens[:, :-1]], axis=1)
    log_p = ops.log_softmax(net.model([SOURCE, shifted]))
    token_log_p = np.take_along_axis(ops.convert_to_numpy(log_p), tokens[..., None], -1)[..., 0]
    expected = (token_log_p * (np.arange(6) < lengths[:, None])).sum(axis=1)
    np.testing.assert_allclose(decoded.scores, expected, atol=1e-5)


def test_a_word_attends_to_previous_words_only_and_not_to_padding():
    net = network()
    target = np.array([[2, 5, 6, 7]] * 3, "int32")
    before = ops.convert_to_numpy(net.model([SOURCE, target]))
    changed = target.copy()
    changed[:, 2:] = 9
    after = ops.convert_to_numpy(net.model([np.pad(SOURCE, [(0, 0), (0, 2)]), changed]))
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=1e-5)
    assert np.abs(after[:, 2:] - before[:, 2:]).max() > 1e-2


def test_source_target_and_logits_share_one_embedding():
    kernels = [weight for weight in network().model.weights if 11 in weight.shape]
    assert [tuple(kernel.shape) for kernel in kernels] == [(11, 6)]


def test_the_smoothed_loss_is_that_of_the_paper():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    target = np.array([[1, 4, 0], [2, 0, 0]])
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    probabilities = np.full((2, 3, 5), 0.1 / 5) + 0.9 * np.eye(5)[target]
    expected = -(probabilities * log_p).sum(-1)[target != 0].mean()
    loss = transformer.make_smoothed_cross_entropy(0.1)(target, logits)
    assert np.mean(loss) == pytest.approx(expected, abs=1e-5)


def test_initial_embeddings_have_the_scale_of_the_sinusoids():
    net = transformer.Transformer(500, 2, 3, blocks=1, heads=2, units=64, hidden=8, dropout=0.0)
    assert np.std(net.embed.embeddings) == pytest.approx(64**-0.5, rel=0.05)
    ids = np.array([[7, 8]])
    added = net.positions(net.embed(ids)) - 8 * net.embed(ids)
    sinusoids = keras_attention.PositionalEncoding()(np.zeros((1, 2, 64), "float32"))
    np.testing.assert_allclose(added, sinusoids, atol=1e-5)


def test_dropout_applies_to_the_embeddings_of_both_sides():
    drops = [node for node in network().model.operations if isinstance(node, keras.layers.Dropout)]
    assert len(drops) == 1 and len(drops[0]._inbound_nodes) == 2


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="Expected `warmup` .* 226 steps .* Received: warmup=400"):
        transformer.make_optimizer(226, 400, 1e-3)
