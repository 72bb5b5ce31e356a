"""Multi30K: image descriptions in English, German and French, as a TensorFlow data set.

    pairs = load_sentence_pairs("train", source="de", target="en")

If the data set is prepared in the TFDS data directory (`data_dir`, or the environment variable
`TFDS_DATA_DIR`, or `~/tensorflow_datasets`), it is loaded from there without a network. Otherwise
the original files are downloaded once. Importing this module registers `tfds.load("multi30k")`.
"""

import gzip
from pathlib import Path

import tensorflow_datasets as tfds

LANGUAGES = ("en", "de", "fr")
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
SOURCE = "https://github.com/multi30k/dataset/raw/a3d2e0d/data/task1/"


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """Task 1: 29,000 training, 1,014 validation and 1,000 test sentences, in three languages."""

    name = "multi30k"
    VERSION = tfds.core.Version("1.0.0")
    # Without this, TFDS 4.9.10 would import importlib_resources, which it does not install.
    code_path = Path(__file__)

    def _info(self):
        text = tfds.features.Text()
        return self.dataset_info_from_configs(
            description=(
                "Multi30K, task 1: Flickr30k image descriptions in English with their translations "
                "into German and French (raw, not tokenised). Splits: train 29,000, validation "
                "1,014, test 1,000 (= test_2016_flickr)."
            ),
            features=tfds.features.FeaturesDict(
                {"en": text, "de": text, "fr": text, "image": text}
            ),
            supervised_keys=("en", "de"),
            homepage="https://github.com/multi30k/dataset",
            citation=(
                "Elliott, Frank, Sima'an, Specia (2016); "
                "Elliott, Frank, Barrault, Bougares, Specia (2017)"
            ),
            license="None stated in github.com/multi30k/dataset; made for research",
        )

    def _split_generators(self, dl_manager):
        urls = {
            split: {code: f"{SOURCE}raw/{file}.{code}.gz" for code in LANGUAGES}
            | {"image": f"{SOURCE}image_splits/{file}.txt"}
            for split, file in FILES.items()
        }
        paths = dl_manager.download(urls)
        return {split: self._generate_examples(paths[split]) for split in FILES}

    def _generate_examples(self, paths):
        columns = {code: gzip.decompress(Path(paths[code]).read_bytes()) for code in LANGUAGES}
        columns["image"] = Path(paths["image"]).read_bytes()
        lines = {name: column.decode().rstrip("\n").split("\n") for name, column in columns.items()}
        counts = {name: len(column) for name, column in lines.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(
                f"Expected files with equal numbers of lines. Received: lines={counts}"
            )
        lines["image"] = [image.split("#")[0] for image in lines["image"]]
        for number, example in enumerate(zip(*lines.values(), strict=True)):
            yield number, {name: text.strip() for name, text in zip(lines, example, strict=True)}


def load_sentence_pairs(split, source="de", target="en", data_dir=None):
    """Load the sentences of a split as (source, target) pairs, always in the same order.

    Args:
        split: `"train"`, `"validation"` or `"test"`, or a TFDS slice such as `"train[:100]"`.
        source: The source language: `"de"`, `"en"` or `"fr"`.
        target: The target language.
        data_dir: The TFDS data directory; None for the default.
    """
    for name, code in (("source", source), ("target", target)):
        if code not in LANGUAGES:
            raise ValueError(
                f"Expected `{name}` to be one of {LANGUAGES}. Received: {name}={code!r}"
            )
    builder = Multi30k(data_dir=data_dir)
    # Skip the request to Google's storage of prepared data sets, which does not have this one.
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    return [
        (source_text.decode(), target_text.decode())
        for source_text, target_text in zip(columns[source], columns[target], strict=True)
    ]
