"""Strings in, strings out: vocabularies are files of the export and go where it goes."""

import shutil

import keras
import pytest

from keras_attention import export

WORDS = ["[pad]", "[UNK]", "attention", "is", "ünder", "all"]


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Reads words by one vocabulary file, writes them by another; moved, the files gone."""
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

    def reverse(text):
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
            "serving_default": (reverse, [text], [to_id, to_word]),
            "ids": (lambda text: layer(text), [text], [layer]),
        },
        example={"text": ["is attention", "all"]},
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "7"
    shutil.move(path, elsewhere)
    shutil.rmtree(folder)
    return elsewhere


def test_the_files_lie_in_the_export(moved):
    assert {path.name for path in (moved / "assets").iterdir()} >= {
        "layer.txt",
        "read.txt",
        "write.txt",
    }
    text = (moved / "assets" / "write.txt").read_text(encoding="utf-8")
    assert text.splitlines() == [word.upper() for word in WORDS]


def test_text_is_read_and_written_where_the_export_was_moved(moved):
    asked = {"text": ["is ünder attention", "no", ""]}
    answer = export.run_in_c_loader(moved, "serving_default", asked)
    written = [text.decode() for text in answer["text"]]
    assert written == ["ATTENTION ÜNDER IS", "[UNK]", ""]


def test_a_keras_layers_vocabulary_file_moves_too(moved):
    answer = export.run_in_c_loader(moved, "ids", {"text": ["attention", "no"]})
    assert answer["output"].tolist() == [2, 0]


def test_the_report_names_the_assets(moved):
    lines, problems = export.check(moved)
    assert problems == []
    assert "assets: layer.txt, read.txt, write.txt" in lines
