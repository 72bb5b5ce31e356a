"""Multi30K: loaded if it is prepared, else prepared from the original files."""

import functools
import gzip
import http.server
import os
import threading
from pathlib import Path

import pytest

from examples.datasets import multi30k
from examples.datasets.multi30k import Multi30k, load_sentence_pairs

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "multi30k", "1.0.0").is_dir()),
    reason="TFDS_DATA_DIR does not name a directory with multi30k/1.0.0",
)


@prepared
@pytest.mark.parametrize(
    "split, count, first",
    [
        ("train", 29_000, "Zwei muslimische Männer sitzen an ihren Ständen um Geld zu verdienen."),
        ("validation", 1014, "Ein Mann steht in einem mobilen Essensstand und blickt"),
        ("test", 1000, "Ein Marineoffizier in einem schwarzen Mantel und Hose steigt Treppen"),
    ],
)
def test_the_prepared_data_set_is_complete(split, count, first):
    pairs = load_sentence_pairs(split, data_dir=PREPARED)
    assert len(pairs) == count
    assert pairs[0][0].startswith(first)
    assert all(source and target for source, target in pairs)


@prepared
def test_languages_can_be_chosen():
    [(french, english)] = load_sentence_pairs("test[:1]", "fr", "en", data_dir=PREPARED)
    assert french.startswith("Une femme vêtue d'un manteau")
    assert english.startswith("A navy walking wearing a black coat")


@pytest.fixture
def upstream(tmp_path, monkeypatch):
    """A local server with files like the original ones, of 3, 2 and 1 lines."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "image_splits").mkdir()
    for count, file in ((3, "train"), (2, "val"), (1, "test_2016_flickr")):
        for code in ("en", "de", "fr"):
            lines = "".join(f" {code} ä {file} {n} \n" for n in range(count))
            (tmp_path / "raw" / f"{file}.{code}.gz").write_bytes(gzip.compress(lines.encode()))
        images = "".join(f"{n}.jpg#0\n" for n in range(count))
        (tmp_path / "image_splits" / f"{file}.txt").write_text(images)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(multi30k, "SOURCE", f"http://127.0.0.1:{server.server_port}/")
        yield tmp_path
        server.shutdown()


def test_the_original_files_are_downloaded_and_prepared_once(upstream, tmp_path):
    data_dir = tmp_path / "data"
    pairs = load_sentence_pairs("train", data_dir=data_dir)
    assert sorted(pairs) == [(f"de ä train {n}", f"en ä train {n}") for n in range(3)]
    (upstream / "raw" / "train.de.gz").unlink()
    assert load_sentence_pairs("train", data_dir=data_dir) == pairs
    assert load_sentence_pairs("test", "fr", "de", data_dir) == [
        ("fr ä test_2016_flickr 0", "de ä test_2016_flickr 0")
    ]
    builder = Multi30k(data_dir=data_dir)
    assert builder.info.full_name == "multi30k/1.0.0"
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 3,
        "validation": 2,
        "test": 1,
    }
    [example] = builder.as_dataset(split="test")
    assert example["image"].numpy() == b"0.jpg"


def test_files_with_different_numbers_of_lines_are_refused(upstream, tmp_path):
    (upstream / "image_splits" / "val.txt").write_text("0.jpg\n")
    with pytest.raises(ValueError, match="'fr': 2, 'image': 1"):
        load_sentence_pairs("train", data_dir=tmp_path / "data")


@pytest.mark.parametrize("languages", [("cs", "en"), ("de", "image")])
def test_other_languages_are_refused(languages):
    with pytest.raises(ValueError, match="Expected `(source|target)` to be one of"):
        load_sentence_pairs("train", *languages)
