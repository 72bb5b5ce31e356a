"""The translator of dates: its attention weights beside its gradients."""

import keras
import numpy as np
import tensorflow as tf

import keras_attention
from examples import translate_dates
from examples.datasets.dates import Dates, Vocabulary
from examples.encoder_decoder import EncoderDecoder
from examples.translate_dates import END, LENGTHS, OUTPUT_LENGTH, START, TARGET

STEPS = OUTPUT_LENGTH - 1  # output steps that write the date; the last writes the end mark
FRACTIONS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)  # of a text's characters that are replaced
INTEGRATION_STEPS = 20


class Experiment:
    """The translator, its data, and how far its explanations agree.

    Args:
        seed: Seed of the test dates.
        quick: Whether to use small sizes.
        epochs: Number of epochs, or 0 for the default.
    """

    def __init__(self, seed, quick, epochs=0):
        self.seed = seed
        self.epochs = epochs or (2 if quick else 6)
        self.steps, units = (4, 16) if quick else (250, 128)
        self.dates = Dates({"de", "en"} if quick else None)
        self.source = Vocabulary(self.dates.characters)
        self.settings = {"units": units, "steps": self.steps}
        self.translator = EncoderDecoder(
            len(self.source), len(TARGET), START, END, embedding=units // 2, units=units
        )
        self.network = self.translator.model
        schedule = keras.optimizers.schedules.CosineDecay(4e-3, self.epochs * self.steps)
        self.network.compile(
            keras.optimizers.Adam(schedule),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=True,
        )
        self.decode = tf.function(
            lambda texts: self.translator.greedy(texts, OUTPUT_LENGTH).tokens, jit_compile=True
        )
        self.explained = 4 if quick else 200

    def make_batches(self, rng):
        """Return one epoch of training data."""
        return translate_dates.make_batches(self.dates, self.source, self.steps, rng)

    def measure(self, part):
        """Return the share of correct dates of "validation" or "test"."""
        count = 512 if part == "validation" else 2000
        samples = self.dates.sample(count, np.random.default_rng(self.seed), split=part)
        share = translate_dates.measure_accuracy(self.decode, self.source, samples)
        return {f"{part} exactly right": round(share, 4)}

    def compare(self):
        """Return the agreement of attention with gradients, and the areas under deletion curves.

        Only the steps that write the date count, not the end mark, and only characters of the text.
        """
        texts, sources, targets = self.sample_texts(self.explained)
        maps = self.explain_texts(sources, targets)
        mask = np.repeat((sources != 0)[:, None], STEPS, axis=1)
        figures = {
            "texts": len(texts),
            "correlation with attention": {},
            "same character first": {},
        }
        rows = (len(texts) * STEPS, -1)
        for method, values in maps.items():
            if method != "attention":
                pair = (maps["attention"].reshape(rows), values.reshape(rows))
                result = keras_attention.explain.agreement(*pair, top=1, mask=mask.reshape(rows))
                figures["correlation with attention"][method] = average(result.correlation)
                figures["same character first"][method] = average(result.overlap)
        maps["random"] = np.random.default_rng(self.seed).random(mask.shape, "float32")
        self.curves = {
            method: self.delete(sources, targets, values) for method, values in maps.items()
        }
        figures["fractions replaced"] = list(FRACTIONS)
        figures["probability of the output"] = {
            method: [average(x) for x in curve.T] for method, curve in self.curves.items()
        }
        return figures

    def sample_texts(self, count):
        """Return test texts, their ids, and the decoder's inputs, the dates that it writes."""
        samples = self.dates.sample(4 * count, np.random.default_rng(self.seed), split="test")
        texts = [text for text, *_ in samples if len(text) <= LENGTHS[0]][:count]
        sources = self.source.encode(texts, LENGTHS[0])
        tokens = self.decode(tf.constant(sources)).numpy()
        starts = np.full((len(texts), 1), START, "int32")
        return texts, sources, np.concatenate([starts, tokens[:, : STEPS - 1]], axis=1)

    def explain_texts(self, sources, targets):
        """Return {method: importance (texts, steps, characters)} of each written character."""
        inputs = [sources, targets]
        maps = {"attention": self.attend(sources, targets)}
        embedding, written = self.translator.embed_source, self.find_written(sources, targets)
        maps["gradient"] = keras_attention.explain.jacobian(self.network, inputs, embedding)
        maps["integrated"] = np.stack(
            [
                keras_attention.explain.saliency(
                    self.network,
                    inputs,
                    select_step(step, written),
                    embedding,
                    "integrated",
                    INTEGRATION_STEPS,
                    batch_size=len(sources),
                )
                for step in range(STEPS)
            ],
            axis=1,
        )
        return maps

    def find_written(self, sources, targets):
        """Return the ids of the characters that the translator writes (texts, steps)."""
        logits = self.network([sources, targets], training=False)
        return keras.ops.convert_to_numpy(logits).argmax(axis=-1)

    def attend(self, sources, targets):
        """Return the attention weights of the decoder's steps (texts, steps, characters)."""
        memory, state = self.translator.encode(tf.constant(sources))
        embedded = self.translator.embed_target(tf.constant(targets))
        _, weights = self.translator.decoder(
            embedded, memory, initial_state=state, return_attention_scores=True
        )
        return weights.numpy()

    def delete(self, sources, targets, importance):
        """Return the probability of the written characters (texts, fractions).

        The most important characters of each step are replaced by the unknown one, and the
        probabilities of the steps are averaged.
        """
        written, curves = self.find_written(sources, targets), []
        for step in range(STEPS):
            curve = keras_attention.explain.deletion(
                self.network,
                [sources, targets],
                importance[:, step],
                FRACTIONS,
                self.source.unknown,
                select_step(step, written, keras.ops.softmax),
                "source",
                mask=sources != 0,
                batch_size=len(sources),
            )
            curves.append(curve)
        return np.mean(curves, axis=0)

    def draw(self, path):
        """Plot two texts' explicit and implicit alignments, and the deletion curves beside."""
        texts, sources, targets = self.sample_texts(2)
        maps = self.explain_texts(sources, targets)
        tokens = self.decode(tf.constant(sources)).numpy()[:, :STEPS]
        panels, names, rows, columns = [], [], [], []
        for n, text in enumerate(texts):
            for method in ("attention", "gradient"):
                values = maps[method][n]
                panels.append(values / np.maximum(values.sum(axis=-1, keepdims=True), 1e-12))
                names.append(f"{method}: {'explicit' if method == 'attention' else 'implicit'}")
                columns.append(text)
                rows.append([TARGET.characters[i - 2] if i > 1 else " " for i in tokens[n]])
        keras_attention.visualize.heatmap(panels, columns, rows, names, columns=2, path=path)
        print(f"Explicit and implicit alignments plotted in {path}")

    def export(self, directory):
        """Export a SavedModel whose signature `explain` returns a character and its saliency.

        It explains the last character of the dates, of which `target` has the earlier ones.
        """
        _, sources, targets = self.sample_texts(3)

        def select(logits):
            return keras.ops.max(logits[:, -1], axis=-1)

        signature = keras_attention.export.saliency_of(
            self.network, self.translator.embed_source, target=select
        )
        path = keras_attention.export.saved_model(
            self.network,
            directory,
            signatures={"explain": signature},
            example=[{"source": sources[:n], "target": targets[:n]} for n in (1, 3)],
        )
        print(keras_attention.export.how_to_serve(path))
        return path


def select_step(step, written, activation=keras.activations.linear):
    """Return a target: the output of the written character of a step, for the whole batch."""

    def select(logits):
        chosen = keras.ops.convert_to_tensor(written[:, step, None])
        outputs = activation(logits[:, step])
        return keras.ops.take_along_axis(outputs, chosen, axis=-1)[:, 0]

    return select


def average(x):
    """Return the mean of the numbers that are not NaN, rounded."""
    return round(float(np.nanmean(x)), 4)
