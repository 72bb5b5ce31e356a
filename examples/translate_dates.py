"""Dates as people write them in 300 languages -> ISO 8601, character by character.

    "quarta-feira, 4 de agosto de 2027"  ->  "2027-08-04"

    python examples/translate_dates.py                    # additive attention (Bahdanau 2015)
    python examples/translate_dates.py --attention none   # the bottleneck without attention

A bidirectional GRU reads the characters, a GRU with attention writes the date; trained under XLA,
then drawn, exported with a `decode` signature (text in, text out) and checked without Python.
Interrupt it as you like: the same command goes on after the last whole epoch.
docs/results.md has what the first command reached, and in what time.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/translate_dates.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution
from examples.command_line import run
from examples.datasets.dates import ISO_CHARACTERS, Dates, Vocabulary
from examples.encoder_decoder import ATTENTIONS, EncoderDecoder
from examples.report import Report
from examples.training import as_dataset, check_folders, minutes_of, train

LENGTHS = (24, 68)  # of the written dates: one compiled program each
BATCH = 128
OUTPUT_LENGTH = 11  # of an ISO date and its end mark
LONGEST = 1000  # characters that the export takes
TARGET = Vocabulary("^$" + ISO_CHARACTERS)
SHOWN = ("de", "el", "pt", "ru")  # locales to draw, which most fonts can write
START, END = TARGET.ids["^"], TARGET.ids["$"]


def main(
    attention="additive",
    epochs=12,
    units=128,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Trains or resumes, evaluates, draws and exports; returns the share of dates got right."""
    steps, tested = (4, 256) if quick else (250, 10_000)
    epochs = 2 if quick else epochs
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    name = "translate_dates" + ("" if attention == "additive" else f"_{attention}")
    name += "_quick" if quick else ""
    directory, picture = Path(runs) / f"{name}-seed{seed}", Path(pictures) / f"{name}.png"
    report = Report(directory, seed)
    dates = Dates({"de", "en", "ja"} if quick else None)
    source = Vocabulary(dates.characters)
    with devices.scope():
        network = EncoderDecoder(
            len(source),
            len(TARGET),
            START,
            END,
            embedding=units // 2,
            units=units,
            attention=attention,
            max_source=LENGTHS[-1],
        )
        network.model.compile(
            keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, epochs * steps)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
        )
    check_folders(network.model, runs=directory, pictures=pictures, saved_models=saved_models)
    print(
        f"{name}: {len(dates.patterns)} ways to write a date in {len(dates.languages)} languages, "
        f"{len(source)} characters, {network.model.count_params():,} weights"
    )
    held_out = dates.sample(512, np.random.default_rng(seed), split="validation")
    decode = tf.function(
        lambda texts: network.greedy(texts, OUTPUT_LENGTH).tokens, jit_compile=True
    )
    curve = train(
        network.model,
        lambda epoch: batches(dates, source, steps, np.random.default_rng([seed, epoch])),
        epochs,
        directory,
        {"attention": attention, "epochs": epochs, "units": units, "seed": seed, "steps": steps},
        lambda epoch: {"val_exact": exact(decode, source, held_out)},
    )
    test = dates.sample(tested, np.random.default_rng(seed), split="test")
    accuracy = exact(decode, source, test)
    print(f"{accuracy:.2%} of {tested:,} dates exactly right, on days never seen in training")
    translate = translator(network, source)
    shown = chosen(test)
    texts = [text for text, _ in shown[:3]]
    if attention != "none":
        draw(translate, shown, picture)
    path = keras_attention.export.saved_model(
        network.model,
        Path(saved_models) / name,
        signatures={"decode": (translate, [tf.TensorSpec((None,), tf.string, name="text")])},
        example=[
            {
                "text": np.array([text.encode() for text in some]),
                "source": source.encode(some),
                "target": np.full((len(some), 2), START, "int32"),
            }
            for some in (texts[:1], texts)
        ],
    )
    figures = {"exactly right": accuracy, "weights": network.model.count_params(), "seed": seed}
    report.write({**figures, **minutes_of(curve)}, path)
    show(translate, texts)
    print(keras_attention.export.how_to_serve(path))
    return accuracy


def batches(dates, source, steps, rng):
    """A data set of `steps` fresh batches of written dates, each padded to one of `LENGTHS`."""
    samples = dates.sample((steps + len(LENGTHS)) * BATCH, rng, split="train")
    chosen = []
    for length, group in by_length(samples).items():
        for first in range(0, len(group) - BATCH + 1, BATCH):
            texts, isos, _ = zip(*group[first : first + BATCH], strict=True)
            inputs = TARGET.encode(["^" + iso for iso in isos], OUTPUT_LENGTH)
            targets = TARGET.encode([iso + "$" for iso in isos], OUTPUT_LENGTH)
            chosen.append(((source.encode(texts, length), inputs), targets))
    rng.shuffle(chosen)
    return as_dataset(chosen[:steps])


def by_length(samples):
    """{length: the samples that fit it and no shorter one}."""
    groups = {length: [] for length in LENGTHS}
    for sample in samples:
        groups[next(n for n in LENGTHS if len(sample[0]) <= n)].append(sample)
    return groups


def exact(decode, source, samples):
    """Share of samples whose every character is right."""
    right = 0
    for length, group in by_length(samples).items():
        for first in range(0, len(group), BATCH):
            texts, isos, _ = zip(*group[first : first + BATCH], strict=True)
            ids = np.pad(source.encode(texts, length), [(0, BATCH - len(texts)), (0, 0)])
            found = decode(ids).numpy()[: len(texts)]
            targets = TARGET.encode([iso + "$" for iso in isos], OUTPUT_LENGTH)
            right += (found == targets).all(axis=1).sum()
    return right / len(samples)


def translator(network, source):
    """The `decode` signature: texts -> dates and alignments, in stock TensorFlow operations."""
    points = tf.constant([ord(c) for c in source.characters])  # sorted
    letters = tf.constant(["", "", "", "", *ISO_CHARACTERS])  # padding, unknown, start and end

    @tf.function
    def translate(text):
        # A server has no patience with a client's book, and begins it if it need not wait for this.
        length, message = tf.strings.length(text, "UTF8_CHAR"), f"Expected {LONGEST} characters"
        with tf.control_dependencies([tf.debugging.assert_less_equal(length, LONGEST, message)]):
            text = tf.identity(text)
        characters = tf.strings.unicode_decode(text, "UTF-8").to_tensor()
        # One column of padding more, so that even a batch of empty texts has something to read.
        characters = tf.pad(characters, [[0, 0], [0, 1]])
        place = tf.searchsorted(points, tf.reshape(characters, [-1]))
        place = tf.minimum(tf.reshape(place, tf.shape(characters)), len(source.characters) - 1)
        known = tf.gather(points, place) == characters
        ids = tf.where(known, place + 2, source.unknown)
        ids = tf.where(characters == 0, source.padding, ids)
        found = network.greedy(ids, OUTPUT_LENGTH)
        dates = tf.strings.reduce_join(tf.gather(letters, found.tokens), axis=-1)
        if found.alignments is None:
            return {"date": dates}
        return {"date": dates, "alignments": found.alignments}

    return translate


def chosen(samples):
    """Four (text, locale) to look at, of the locales `SHOWN` where there are any."""
    fitting = [(text, locale) for text, _, locale in samples if 15 <= len(text) <= 30]
    fitting.sort(key=lambda sample: sample[1] not in SHOWN)
    of_each = {locale: text for text, locale in reversed(fitting)}  # the first one wins
    first = [(text, locale) for text, locale in fitting if of_each[locale] == text]
    return [*first, *fitting][:4]


def draw(translate, samples, path):
    """Draws the alignments of a few dates."""
    texts, locales = zip(*samples, strict=True)
    found = [translate(tf.constant([text])) for text in texts]
    keras_attention.visualize.heatmap(
        [each["alignments"].numpy()[0] for each in found],
        texts,
        [each["date"].numpy()[0].decode() or " " for each in found],
        titles=locales,
        columns=2,
        path=path,
    )
    print(f"Alignments drawn in {path}")


def show(translate, texts):
    """Prints translations, and where each character was read."""
    for text in texts:
        found = translate(tf.constant([text]))
        date = found["date"].numpy()[0].decode()
        print(f"\n{text}  ->  {date}")
        if "alignments" in found and date:
            weights = found["alignments"].numpy()[0, : len(date), : len(text)]
            print(keras_attention.visualize.text_heatmap(weights, text, date))
    print()


if __name__ == "__main__":
    run(main, attention=ATTENTIONS, strategy=distribution.STRATEGIES)
