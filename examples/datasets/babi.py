"""bAbI: questions about short stories, in 20 tasks (Weston et al. 2015), as a TensorFlow data set.

    questions = load_questions("train", task=16)  # 1,000 questions

If the data set is prepared in the TFDS data directory (`TFDS_DATA_DIR`, or
`~/tensorflow_datasets`), it is loaded from there without a network. Otherwise the original archive
is downloaded once.
"""

import functools
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

TASKS = range(1, 21)
SOURCE = "https://s3.amazonaws.com/text-datasets/babi_tasks_1-20_v1-2.tar.gz"
# Every character between words, in the syntax of Python and of tf.strings. Texts are lower-case.
NO_WORD = "[^a-z0-9]+"


class Question(NamedTuple):
    """A question, and the facts that were told before it.

    The answer is one word, or several, joined by commas.
    """

    facts: list[str]
    text: str
    answer: str
    supporting: list[int]  # indices of the facts from which the answer follows, as they are needed
    story: int  # number of the story; most stories have several questions


class BabiQa(tfds.core.GeneratorBasedBuilder):
    """1,000 questions for training and 1,000 for the test of each task, in English."""

    name = "babi_qa"
    VERSION = tfds.core.Version("1.2.0")
    # Without this, TFDS 4.9.10 would import importlib_resources, which it does not install.
    code_path = Path(__file__)

    def _info(self):
        text = tfds.features.Text()
        question = {"question": text, "answer": text, "told": np.int32, "supporting": text}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "task": np.int32,
                    "statements": tfds.features.Sequence(text),
                    "questions": tfds.features.Sequence(question),
                }
            ),
            homepage="https://research.facebook.com/downloads/babi/",
            citation="Weston et al. (2015), arXiv:1502.05698",
            license="CC BY 3.0",
        )

    def _split_generators(self, dl_manager):
        path = dl_manager.download(SOURCE)
        return {split: self._generate_examples(path, split) for split in ("train", "test")}

    def _generate_examples(self, path, split):
        with tarfile.open(path) as archive:
            for member in sorted(archive.getmembers(), key=lambda member: member.name):
                match = re.search(rf"en/qa(\d+)_.*_{split}\.txt$", member.name)
                if match:
                    lines = archive.extractfile(member).read().decode().splitlines()
                    for number, story in enumerate(parse_stories(lines)):
                        yield f"{int(match[1]):02d}_{number:05d}", {"task": match[1], **story}


def parse_stories(lines):
    """Return the stories in the lines of a file of the archive, as dicts of the data set."""
    stories = []
    for line in lines:
        number, text = line.split(" ", 1)
        if number == "1":
            places = {}
            stories.append({"statements": [], "questions": []})
        statements = stories[-1]["statements"]
        if "\t" not in text:
            places[number] = len(statements)
            statements.append(text.strip())
            continue
        question, answer, supporting = text.split("\t")
        stories[-1]["questions"].append(
            {
                "question": question.strip(),
                "answer": answer.strip(),
                "told": len(statements),
                "supporting": " ".join(str(places[number]) for number in supporting.split()),
            }
        )
    return stories


def load_questions(split, task=None):
    """Load the questions of a split ("train" or "test") as a list of `Question`.

    Args:
        split: "train" or "test".
        task: A number from 1 to 20; None = all tasks.
    """
    questions = []
    for number, story in enumerate(load_stories(split)):
        if task in (None, int(story["task"])):
            facts = [fact.decode() for fact in story["statements"]]
            columns = (story["questions"][name] for name in ("question", "answer", "supporting"))
            for count, *row in zip(story["questions"]["told"], *columns, strict=True):
                text, answer, supporting = (x.decode() for x in row)
                indices = [int(index) for index in supporting.split()]
                questions.append(Question(facts[:count], text, answer, indices, number))
    return questions


@functools.cache
def load_stories(split):
    """Load the stories of a split, as the data set has them."""
    builder = BabiQa()
    # Skip the request to Google's storage of prepared data sets, which does not have this one.
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def split(sentence):
    """Return the words of a sentence: "Where is Mary?" -> ["where", "is", "mary"]."""
    return re.sub(NO_WORD, " ", sentence.lower()).split()
