"""AttentionImages draws each epoch once, atomically, and continues the numbers of earlier runs."""

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention.callbacks import AttentionImages
from keras_attention.visualize import heatmap

IDS, TARGETS = np.array([[1, 7, 2], [5, 3, 0]]), np.ones((2, 1))
TOKENS = [["a", "b", "c"], ["d", "e"]]


@pytest.fixture(scope="module")
def model():
    layers = [
        keras.Input((None,)),
        keras.layers.Embedding(9, 4),
        keras_attention.MultiHeadSelfAttention(2, 2, name="heads"),
        keras.Sequential([keras_attention.AttentionPooling(name="pooling")], name="reader"),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    model.compile(loss="mse", run_eagerly=True)
    return model


def fit(model, *callbacks, **options):
    return model.fit(IDS, TARGETS, callbacks=callbacks, verbose=0, **options)


def list_files(directory):
    paths = directory.rglob("*")
    return sorted(path.relative_to(directory).as_posix() for path in paths if path.is_file())


def test_each_layer_has_a_picture_of_each_epoch(model, tmp_path):
    images = AttentionImages(IDS, tmp_path, TOKENS)
    fit(model, images, epochs=2)
    names = [f"{layer}/epoch_000{n}.png" for layer in ("heads", "reader/pooling") for n in (1, 2)]
    assert list_files(tmp_path) == names
    weights = keras_attention.attention_weights(model, IDS)["heads"]
    tokens = [TOKENS[n // 2] for n in range(4)]
    titles = [f"example {n // 2}, head {n % 2}" for n in range(4)]
    heatmap(weights.reshape(4, 3, 3), tokens, None, titles, 2, tmp_path / "expected.png")
    picture = images.get_path("heads", 2)
    assert picture.read_bytes() == (tmp_path / "expected.png").read_bytes()


def test_later_runs_keep_the_pictures_of_earlier_ones(model, tmp_path):
    images = AttentionImages(IDS, tmp_path, layers="pooling")
    fit(model, images, epochs=2)
    first = images.get_path("reader/pooling", 1)
    content = first.read_bytes()
    fit(model, AttentionImages(IDS, tmp_path, layers="pooling"), epochs=1)  # counts on
    fit(model, images, initial_epoch=3, epochs=5)  # continues at epoch 4
    fit(model, images, initial_epoch=4, epochs=5)  # repeats epoch 5
    numbers = [f"reader/pooling/epoch_000{n}.png" for n in range(1, 6)]
    assert list_files(tmp_path) == numbers
    assert first.read_bytes() == content


def test_tensorboard_gets_the_pictures(model, tmp_path):
    tf = pytest.importorskip("tensorflow")
    images = AttentionImages(
        IDS, tmp_path / "a", layers="pooling", tensorboard_directory=tmp_path / "b"
    )
    fit(model, images, epochs=2)
    [path] = (tmp_path / "b").iterdir()
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    events = [tf.compat.v1.Event.FromString(record) for record in records]
    values = [(event.step, value) for event in events for value in event.summary.value]
    assert [(step, value.tag) for step, value in values] == [
        (n, "attention/reader/pooling") for n in (1, 2)
    ]
    for step, value in values:
        picture = images.get_path("reader/pooling", step).read_bytes()
        assert value.image.encoded_image_string == picture
        height, width = tf.io.decode_png(picture).shape[:2]
        assert (value.image.height, value.image.width) == (height, width)


def test_layer_names_cannot_leave_the_directory(tmp_path):
    images = AttentionImages(IDS, tmp_path)
    path = images.get_path("../a b/c.d", 12345)
    assert path == tmp_path / "__" / "a_b" / "c_d" / "epoch_12345.png"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"directory": 5}, "`directory` to be a path.*directory=5"),
        ({"tensorboard_directory": "gs://b"}, "`tensorboard_directory` to be a local path"),
    ],
)
def test_invalid_paths_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionImages(**{"inputs": IDS, "directory": "runs", **options})


def test_tokens_that_do_not_fit_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="`source_tokens` to hold 1 to 3 tokens"):
        fit(model, AttentionImages(IDS, tmp_path, [list("abcd"), ["a"]]))
