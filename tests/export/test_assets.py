"""Vocabulary files: they are copied into the export and move with it."""

import shutil

import keras
import pytest

from keras_attention import export

WORDS = ["[pad]", "[UNK]", "attention", "is", "ünder", "all"]


@pytest.fixture(scope="module")
def new_path(tmp_path_factory):
    """An export with three vocabulary files, moved elsewhere; the original files are deleted."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("here")
    files = [folder / "read.txt", folder / "write.txt"]
    files[0].write_text("\n".join(WORDS), encoding="utf-8")
    files[1].write_text("\n".join(word.upper() for word in WORDS), encoding="utf-8")
    by_line, by_word = tf.lookup.TextFileIndex.LINE_NUMBER, tf.lookup.TextFileIndex.WHOLE_LINE
    to_id = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(files[0]), "string", by_word, "int64", by_line), 1
    )
    to_word = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(files[1]), "int64", by_line, "string", by_word), "?"
    )

    def reverse_words(text):
        ids = to_id.lookup(tf.strings.split(text).to_tensor(WORDS[0]))
        words = to_word.lookup(tf.reverse(ids, [1]))
        words = tf.where(words == "[PAD]", "", words)
        return {"text": tf.strings.strip(tf.strings.reduce_join(words, 1, separator=" "))}

    (folder / "layer.txt").write_text("is\nattention\n", encoding="utf-8")
    layer = keras.layers.StringLookup(vocabulary=str(folder / "layer.txt"))
    text = export.Spec("text", (None,), "string")
    path = export.saved_model(
        None,
        folder / "model",
        {
            "serving_default": (reverse_words, [text], [to_id, to_word]),
            "ids": (lambda text: layer(text), [text], [layer]),
        },
        example={"text": ["is attention", "all"]},
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "7"
    shutil.move(path, elsewhere)
    shutil.rmtree(folder)
    return elsewhere


def test_the_export_holds_copies_of_the_files(new_path):
    assert {path.name for path in (new_path / "assets").iterdir()} >= {
        "layer.txt",
        "read.txt",
        "write.txt",
    }
    text = (new_path / "assets" / "write.txt").read_text(encoding="utf-8")
    assert text.splitlines() == [word.upper() for word in WORDS]


def test_the_moved_export_converts_text_to_ids_and_ids_to_text(new_path):
    inputs = {"text": ["is ünder attention", "no", ""]}
    answer = export.run_in_c_loader(new_path, "serving_default", inputs)
    texts = [text.decode() for text in answer["text"]]
    assert texts == ["ATTENTION ÜNDER IS", "[UNK]", ""]


def test_the_vocabulary_file_of_a_keras_layer_moves_too(new_path):
    answer = export.run_in_c_loader(new_path, "ids", {"text": ["attention", "no"]})
    assert answer["output"].tolist() == [2, 0]


def test_check_lists_the_assets(new_path):
    lines, problems = export.check(new_path)
    assert problems == []
    assert "assets: layer.txt, read.txt, write.txt" in lines
