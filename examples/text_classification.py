"""Embed, encode, attend, predict: film reviews, liked or not, and the words that say so.

    python examples/text_classification.py                          # HAN (Yang et al. 2016)
    python examples/text_classification.py --pooling average        # its baselines: this, and max
    python examples/text_classification.py --model sequential       # Honnibal (2016), in 20 lines
    python examples/text_classification.py --data movie_rationales  # and the words people marked

The last one compares the words that weigh most with those that people marked as their reasons.
Trained under XLA, drawn as HTML and PNG, and exported with `classify` and `attention` signatures:
text in, probability, words and weights out. Whatever part of `imdb_reviews` TFDS has is taken, a
quarter of its training reviews held out for validation, by seed.

Yang et al. (2016, table 2) report a gain of attention over averaging of 0.6 to 1.6 points, on far
more reviews, of 5 to 10 classes. docs/results.md has what these commands reached.
Differs from the paper: word vectors of 50 learned with the rest (there word2vec, 200), Adam (SGD),
dropout, at most 4,000 words, sentences by a simple rule, and long documents are cut.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

if not __package__:  # run as `python examples/text_classification.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras_attention
from examples import distribution
from examples.command_line import run
from examples.datasets.documents import (
    LONGEST,
    SENTENCE_ENDS,
    TEXT,
    buckets,
    encode,
    splits,
    vocabulary,
)
from examples.datasets.words import WORD_RE2
from examples.hierarchical_attention import POOLINGS, agreement, hierarchical, with_weights
from examples.report import Report
from examples.training import as_dataset, check_folders, minutes_of, train

# What documents are padded to, one compiled program each; the rest of longer ones is not read.
SHAPES = {
    ("hierarchical", "imdb_reviews"): ((14, LONGEST), (32, LONGEST)),
    ("hierarchical", "movie_rationales"): ((56, LONGEST), (96, LONGEST)),
    ("sequential", "imdb_reviews"): ((160,), (320,)),
    ("sequential", "movie_rationales"): ((320,),),
}
TOGETHER = 64  # documents of one prediction
# As tf.strings writes it: what Python calls a space, but for the end of a line.
BLANKS_RE2 = r"[\t\v\f\r\x{1c}-\x{20}\x{85}\pZ]+"
SPLIT_RE2 = (
    (BLANKS_RE2, " "),
    *SENTENCE_ENDS,
    (WORD_RE2, r" \1 "),
    (" +", " "),
    (rf"((?:[^ \n]+ ){{{LONGEST}}})", r"\1" "\n"),
    (r"[ \n]*\n[ \n]*", "\n"),
)


def sequential(size, units):
    """Embed, encode, attend, predict: words (batch, words) -> how likely liked, (batch, 1)."""
    model = keras.Sequential()
    model.add(keras.Input((None,), dtype="int32", name="words"))
    model.add(keras.layers.Embedding(size, units, mask_zero=True))
    model.add(keras.layers.Dropout(0.3, noise_shape=(None, None, 1)))  # whole words
    recurrent = keras.layers.GRU(units, return_sequences=True, use_cudnn=False)
    model.add(keras.layers.Bidirectional(recurrent))
    model.add(keras_attention.AdditiveAttention(units=units))
    model.add(keras_attention.AttentionPooling())
    model.add(keras.layers.Dropout(0.5))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    return model


def main(
    model="hierarchical",
    pooling="attention",
    data="imdb_reviews",
    epochs=6,
    units=50,
    batch=32,
    most_words=4000,
    seed=0,
    strategy="none",
    quick=False,
    runs="runs",
    pictures="docs/pictures",
    saved_models="saved_models",
):
    """Trains or resumes, evaluates, draws and exports; returns the figures."""
    if model == "sequential" and pooling != "attention":
        raise ValueError(
            f"Expected pooling='attention' for the sequential model. Received: pooling={pooling!r}"
        )
    if quick:
        epochs, units, most_words = 2, 8, 200
    devices = distribution.strategy(strategy)
    keras.utils.set_random_seed(seed)
    differs = [model != "hierarchical", pooling != "attention", data != "imdb_reviews", quick]
    parts = ["text_classification", model, pooling, data, "quick"]
    name = "_".join(p for p, d in zip(parts, [True, *differs], strict=True) if d)
    directory = Path(runs) / f"{name}-seed{seed}"
    report = Report(directory, seed)
    shapes = SHAPES[model, data][:1] if quick else SHAPES[model, data]
    reviews = splits(data, seed, most=160 if quick else None)
    words = vocabulary(reviews["train"], most_words)
    size = len(words)

    def batches(epoch):
        rng = np.random.default_rng([seed, epoch])
        return in_batches(reviews["train"], words, shapes, batch, rng)

    steps = int(batches(0).cardinality())
    with devices.scope():
        network = (
            sequential(size, units)
            if model == "sequential"
            else hierarchical(size, pooling, units, units)
        )
        network.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(3e-3, epochs * steps), clipnorm=1.0
            ),
            "binary_crossentropy",
            metrics=["accuracy"],
            jit_compile=True,
        )
    check_folders(network, runs=directory, pictures=pictures, saved_models=saved_models)
    counts = {part: len(found) for part, found in reviews.items()}
    print(f"{name}: {counts} reviews, {size} words, {network.count_params():,} weights")
    look = looker(network)
    settings = {"epochs": epochs, "units": units, "batch": batch, "words": size}
    settings |= {"seed": seed, "reviews": counts}
    curve = train(
        network,
        batches,
        epochs,
        directory,
        settings,
        lambda epoch: evaluate("validation", reviews["validation"], look, words, shapes),
    )
    figures = {
        **settings,
        "weights": network.count_params(),
        **minutes_of(curve),
        "learning curve": curve,
        "validation accuracy": curve[-1]["validation accuracy"],
        **evaluate("test", reviews["test"], look, words, shapes),
    }
    if model == "hierarchical" and pooling == "attention":
        if data == "movie_rationales":
            _, *weights = predictions(reviews["test"], look, words, shapes)
            figures["rationales"] = agreement(reviews["test"], *weights)
    path = None
    if pooling == "attention":
        draw(reviews["test"], look, words, shapes, Path(pictures) / f"{name}.png")
        path = export(network, look, words, shapes, Path(saved_models) / name)
    report.write(figures, path)
    return figures


def in_batches(found, words, shapes, batch, rng):
    """A shuffled data set of full batches of documents of like length, and their labels."""
    batches = []
    for shape, members in buckets(found, shapes).items():
        order = rng.permutation(members)
        for first in range(0, len(order) - batch + 1, batch):
            chosen = [found[place] for place in order[first : first + batch]]
            labels = np.array([[document.label] for document in chosen], "float32")
            batches.append((encode(chosen, words, shape), labels))
    rng.shuffle(batches)
    return as_dataset(batches)


def looker(network):
    """A function of ids that gives the network's output and the weights of its poolings."""
    ids = tf.TensorSpec([None] * len(network.inputs[0].shape), tf.int32)
    return tf.function(lambda ids: with_weights(network, ids), [ids])


def predictions(found, look, words, shapes):
    """What `look` gives for each document: lists of probabilities and of weights."""
    outputs = [None] * len(found)
    for shape, members in buckets(found, shapes).items():
        for first in range(0, len(members), TOGETHER):
            places = members[first : first + TOGETHER]
            arrays = look(encode([found[place] for place in places], words, shape))
            for row, place in enumerate(places):
                outputs[place] = [array[row].numpy() for array in arrays]
    return list(zip(*outputs, strict=True))


def evaluate(part, found, look, words, shapes):
    """The share of reviews told right, and the cross entropy of a review."""
    liked = np.concatenate(predictions(found, look, words, shapes)[0])
    labels = np.array([document.label for document in found])
    right = np.where(labels == 1, liked, 1 - liked)
    return {
        f"{part} accuracy": round(float(np.mean(right > 0.5)), 4),
        f"{part} cross entropy": round(float(-np.mean(np.log(np.maximum(right, 1e-7)))), 4),
    }


def draw(found, look, words, shapes, path):
    """Colours the first test review of four to six sentences, else six of one, as PNG and HTML."""
    short = [one for one in found if 4 <= len(one.sentences) <= 6] or found
    [_], *weights = predictions(short[:1], look, words, shapes)
    sentences = short[0].sentences[:6]
    if len(weights) == 1:
        [of_words] = weights[0]
        drawn = of_words, [word for sentence in sentences for word in sentence][: len(of_words)]
    else:
        [of_words], [of_sentences] = weights
        drawn = of_words, sentences, of_sentences
    for written in (path, path.with_suffix(".html")):
        keras_attention.visualize.colored_text(*drawn, path=written)
    print(f"A test review coloured by its weights: {path} and {path.with_suffix('.html')}")


def reader(words, shapes):
    """A function that splits texts as in training, in stock TensorFlow operations; its table.

    Texts (batch,) -> words and ids, (batch, sentences, words) or (batch, words), padded with "".
    """
    places = tf.range(len(words), dtype=tf.int32)
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(words.words, places), words.unknown
    )

    def split(text):
        text = tf.strings.lower(text, "utf-8")
        for pattern, replacement in SPLIT_RE2:
            text = tf.strings.regex_replace(text, pattern, replacement)
        found = tf.strings.split(tf.strings.split(tf.strings.strip(text), "\n"))
        if len(shapes[0]) == 1:
            found = found.merge_dims(1, 2)
        # One column of padding more, so that even a batch of empty texts has something to read.
        found = found[:, : shapes[-1][0]].to_tensor("")
        found = tf.pad(found, [*[(0, 0)] * len(shapes[0]), (0, 1)])
        return found, table.lookup(found)

    return split, table


def export(network, look, words, shapes, directory):
    """A SavedModel for texts: `classify`, and `attention`, which also gives words and weights."""
    split, table = reader(words, shapes)

    @tf.function
    def attention(text):
        found, ids = split(text)
        liked, *weights = look(ids)
        names = ["weights"] if len(weights) == 1 else ["word_weights", "sentence_weights"]
        return {
            "liked": liked[:, 0],
            "words": found,
            **dict(zip(names, weights, strict=True)),
        }

    @tf.function
    def classify(text):
        return {"liked": attention(text)["liked"]}

    texts = [b"What a bore. Avoid!", b"<br />A touching film; I loved it.", b""]
    spec = [tf.TensorSpec((None,), tf.string, name="text")]
    path = keras_attention.export.saved_model(
        network,
        directory,
        signatures={
            "classify": (classify, spec, [table]),
            "attention": (attention, spec, [table]),
        },
        example=[
            {"text": np.array(some), "words": split(tf.constant(some))[1].numpy()}
            for some in (texts[:1], texts)
        ],
    )
    print(keras_attention.export.how_to_serve(path))
    return path


if __name__ == "__main__":
    run(
        main,
        model=("hierarchical", "sequential"),
        pooling=tuple(POOLINGS),
        data=tuple(TEXT),
        strategy=distribution.STRATEGIES,
    )
