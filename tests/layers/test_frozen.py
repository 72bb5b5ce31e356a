"""A frozen layer's sub-layers are frozen; a trainable layer leaves frozen sub-layers alone."""

import keras
import numpy as np

import keras_attention

TARGET, SOURCE = np.ones((2, 3, 5), "float32"), np.ones((2, 7, 6), "float32")


def test_frozen_cell_in_trainable_decoder_stays_frozen(tmp_path):
    cell = keras.layers.GRUCell(4, trainable=False)
    decoder = keras_attention.AttentionDecoder(cell, keras_attention.AdditiveAttention(units=3))
    inputs = [keras.Input(x.shape[1:]) for x in (TARGET, SOURCE)]
    model = keras.Model(inputs, decoder(*inputs))
    model.save(tmp_path / "model.keras")
    for m in (model, keras.saving.load_model(tmp_path / "model.keras")):
        (decoder,) = (x for x in m.layers if isinstance(x, keras_attention.AttentionDecoder))
        assert decoder.trainable and not decoder.cell.trainable
        assert [v.path for v in m.trainable_weights] == [v.path for v in decoder.attention.weights]
        before = [np.array(x) for x in decoder.cell.get_weights()]
        m.compile("sgd", "mse")
        m.fit([TARGET, SOURCE], np.zeros((2, 3, 4)), verbose=0)
        for value, expected in zip(decoder.cell.get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, expected)


def test_frozen_rnn_freezes_ntm_cell():
    rnn = keras.layers.RNN(keras_attention.NTMCell(3, slots=5, width=2, controller_units=4))
    rnn.trainable = False
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, keras.layers.Dense(1)(rnn(inputs)))
    assert len(model.trainable_weights) == 2 and len(rnn.weights) > 0


def test_one_layer_of_a_frozen_model_can_be_made_trainable():
    inputs = keras.Input((None, 6))
    first, second = keras_attention.Attention("general"), keras_attention.Attention("general")
    model = keras.Model(inputs, second(first(inputs)))
    model.trainable = False
    first.trainable = model.trainable = True
    second.trainable = False
    assert [v.path for v in model.trainable_weights] == [v.path for v in first.weights]


def test_custom_score_is_frozen_with_its_layer():
    class TwoLayers(keras_attention.score.Score):
        def build(self, query_shape, key_shape):
            self.dense = keras.layers.Dense(4)
            self.dense.build(query_shape)

        def compare(self, query, key):
            return keras.ops.matmul(self.dense(query), keras.ops.swapaxes(self.dense(key), -1, -2))

    layer = keras_attention.Attention(score=TwoLayers(), trainable=False)
    layer([TARGET, TARGET])
    assert len(layer.weights) == 2 and not any(v.trainable for v in layer.weights)


def test_frozen_spectral_normalization_does_not_move_its_kernel():
    layer = keras_attention.SelfAttention2D(spectral_normalization=True)
    image = np.random.default_rng(0).normal(size=(1, 3, 4, 8)).astype("float32")
    layer(image)
    layer.trainable = False
    before = [np.array(x) for x in layer.get_weights()]
    layer(image, training=True)
    for value, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    layer.trainable = True
    layer(image, training=True)
    assert any((a != b).any() for a, b in zip(layer.get_weights(), before, strict=True))
