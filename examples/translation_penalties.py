"""The length and coverage penalties of beam search (Wu et al. 2016, section 7), on Multi30k.

    python examples/translation_penalties.py --model gnmt

Trains the network of `translate.py` with the same options, or takes it from its folder in `runs`.
The validation sentences are translated with each pair of penalties of a grid. The pair with the
best BLEU is then used for the test sentences, and compared with a search without penalties. The
example plots the grid. The run can be interrupted at any time: the same command resumes it after
the last pair.

In the paper, alpha = beta = 0.2 raises BLEU on the development set from 30.3 to 31.4 (table 2).
It has not been run to the end yet: see docs/results.md. Differs from the paper: the search is
pruned by its beam only.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import sacrebleu

if not __package__:  # run as `python examples/translation_penalties.py`, from any directory
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from examples.command_line import run
from examples.encoder_decoder import ATTENTIONS
from examples.report import Report
from examples.training import write
from examples.translate import MODELS, choose_network
from examples.translation import compute_bleu, train_network, translate


def main(
    model="shallow",
    attention="additive",
    layers=4,
    epochs=16,
    units=256,
    alphas=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    betas=(0.0, 0.1, 0.2, 0.4),
    beam_width=8,
    seed=0,
    quick=False,
    runs="runs",
    pictures="docs/pictures",
):
    """Train or resume, translate with each pair of penalties, and plot; return the figures.

    Args:
        model: "shallow", of one layer on each side, or "gnmt".
        attention: The kind of attention of the shallow model; that of GNMT is additive.
        layers: Number of layers of each side of GNMT.
        units: Width of the embeddings, of the memory and of the decoder's state.
        alphas: Length penalties.
        betas: Coverage penalties.
        beam_width: Number of hypotheses of the beam search.

    The other arguments are described in `examples.command_line`.
    """
    if quick:
        epochs, layers, units, alphas, betas, beam_width = 2, 3, 16, (0.0, 1.0), (0.0,), 2
    if any(betas) and model == "shallow" and attention == "none":
        raise ValueError(
            "Expected `betas` of 0 for a model without attention. "
            f"Received: betas={betas}, attention='none'"
        )
    chosen = choose_network(model, attention, layers, units)
    network_name, make_network, optimizer, loss, network_settings = chosen
    suffix = "_quick" if quick else ""
    directory = Path(runs) / f"{network_name}{suffix}-seed{seed}"
    name = f"{network_name}_penalties{suffix}"
    report = Report(Path(runs) / f"{name}-seed{seed}", seed)
    trained = train_network(
        make_network,
        optimizer,
        loss,
        network_settings,
        directory,
        epochs=epochs,
        seed=seed,
        quick=quick,
        pictures=pictures,
    )
    german, english = trained.vocabularies

    def measure_bleu(part, alpha, beta):
        search = {"length_penalty": alpha, "coverage_penalty": beta}
        pairs = trained.pairs[part]
        translations = translate(trained.network, pairs, german, english, beam_width, **search)
        return compute_bleu(translations, trained.texts[part])

    # The perplexity says with which weights the translations were made.
    settings = {"beam width": beam_width, "perplexity": trained.curve[-1]["val_ppl"]}
    scores = Scores(report.path.with_name("scores.json"), settings, measure_bleu)
    grid = np.array([[scores.get("validation", a, b) for b in betas] for a in alphas])
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    best = alphas[row], betas[column]
    draw(grid, alphas, betas, Path(pictures) / f"{name}.png")
    figures = {
        **settings,
        "epochs": epochs,
        "sacrebleu": f"{sacrebleu.__version__}, 13a, lower case",
        "validation BLEU, rows of alpha": grid.tolist(),
        "alphas": list(alphas),
        "betas": list(betas),
        "best alpha and beta on validation": best,
        "best validation BLEU": float(grid.max()),
        "validation BLEU without penalties": scores.get("validation", 0.0, 0.0),
        "test BLEU": scores.get("test", *best),
        "test BLEU without penalties": scores.get("test", 0.0, 0.0),
    }
    report.write(figures)
    return figures


class Scores:
    """BLEU by part of the data, length and coverage penalty, kept in a file.

    Args:
        path: The file.
        settings: Dict of everything else that the scores depend on. A file with other settings is
            replaced.
        measure: Function of the part and the two penalties that returns the score.
    """

    def __init__(self, path, settings, measure):
        self.path, self.settings, self.measure = path, settings, measure
        content = json.loads(path.read_text()) if path.exists() else {}
        self.scores = content["scores"] if content.get("settings") == settings else {}

    def get(self, part, alpha, beta):
        """Return the score, which is measured only if the file does not have it."""
        key = f"{part}, alpha {alpha}, beta {beta}"
        if key not in self.scores:
            self.scores[key] = self.measure(part, alpha, beta)
            print(f"{key}: {self.scores[key]} BLEU")
            content = json.dumps({"settings": self.settings, "scores": self.scores}, indent=1)
            write(self.path, lambda file: file.write(content.encode()))
        return self.scores[key]


def draw(grid, alphas, betas, path):
    """Plot BLEU for each length penalty (rows) and coverage penalty (columns)."""
    canvas, axes = plt.subplots(figsize=(1.5 + len(betas), 1.5 + 0.6 * len(alphas)))
    image = axes.imshow(grid, aspect="auto", cmap="viridis")
    middle = (grid.min() + grid.max()) / 2
    for (row, column), score in np.ndenumerate(grid):
        color = "black" if score > middle else "white"
        axes.text(column, row, f"{score:.2f}", ha="center", va="center", color=color)
    axes.set_xticks(range(len(betas)), betas)
    axes.set_yticks(range(len(alphas)), alphas)
    axes.set(xlabel="coverage penalty beta", ylabel="length penalty alpha")
    canvas.colorbar(image, label="validation BLEU")
    canvas.tight_layout()
    write(path, lambda file: canvas.savefig(file, dpi=120))
    plt.close(canvas)


if __name__ == "__main__":
    run(main, model=MODELS, attention=ATTENTIONS)
