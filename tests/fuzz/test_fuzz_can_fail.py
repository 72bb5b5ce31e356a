"""The fuzz finds a kernel that is broken in one line."""

import itertools
import re
import sys
import types

import keras
import pytest
from keras import ops

from keras_attention.mask.structured_mask import StructuredMask
from tests.fuzz import __main__ as program
from tests.fuzz.families.normalize import Case
from tests.fuzz.profiles import run_quick
from tests.fuzz.reproduce import reproduce, write_code

EXAMPLES = 60
only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs many cases, or TensorFlow's kernels"
)

# Faults of one line: the family that finds each, the module and the attribute that is replaced,
# and a function of the right attribute that returns the wrong one.
FAULTS = {
    "recurrence without decay": (
        "previous_weights",
        "keras_attention.normalize.monotonic",
        "linear_recurrence",
        lambda recur: lambda decay, addition: addition,
    ),
    "hard choice from the first key on": (
        "previous_weights",
        "keras_attention.normalize",
        "monotonic_hard",
        lambda choose: lambda *scores, previous: choose(*scores, previous=previous + 1),
    ),
    "chunk of one more key": (
        "monotonic",
        "keras_attention.layers.query_value.monotonic_attention",
        "chunkwise",
        lambda weigh: lambda *scores, ends, width: weigh(*scores, ends=ends, width=width + 1),
    ),
    "window of one more key": (
        "location_aware",
        "keras_attention.layers.query_value.location_aware_attention",
        "around",
        lambda around: lambda weights, width: around(weights, width + 1),
    ),
    "filters from right to left": (
        "location_aware",
        "keras_attention.score",
        "LocationAwareScore.locate",
        lambda locate: lambda score, weights: locate(score, ops.flip(weights, axis=1)),
    ),
    "carry of the chunks instead of their ends": (
        "sequential_decoder",
        "keras_attention",
        "MonotonicAttention.attend_step",
        lambda attend: lambda *inputs: _repeat_weights(*attend(*inputs)),
    ),
    "softmax instead of smooth": (
        "normalize",
        "keras_attention.normalize",
        "get",
        lambda get: lambda name: get("softmax" if name == "smooth" else name),
    ),
    "scale that is not normalized": (
        "additive",
        "keras_attention.score",
        "AdditiveScore.compute_scale",
        lambda compute: lambda score: score.scale,
    ),
    "mask that is not passed to the sequences": (
        "steps",
        "keras_attention",
        "EachStep._has_argument",
        lambda has: lambda layer, name: name != "mask",
    ),
    "one candidate more": (
        "sampling",
        "keras_attention.decoding.sample",
        "select_candidates",
        lambda select: (
            lambda logs, temperature, top_k, top_p: select(
                logs, temperature, top_k and top_k + 1, top_p
            )
        ),
    ),
    "noise that depends on the row's place": (
        "sampling",
        "keras_attention.decoding.sample",
        "gumbel_noise",
        lambda draw: lambda seeds, *place: draw(seeds + _count_rows(seeds), *place),
    ),
    "receiver's vector for the sender": (
        "graph",
        "keras_attention.layers.graph.graph_attention",
        "compute_edge_scores",
        lambda compute: lambda x, receiver, sender, *rest: compute(x, sender, receiver, *rest),
    ),
    "values before keys": (
        "hops",
        "keras_attention",
        "MultiHopAttention._pair",
        lambda pair: lambda layer, memories: [(v, k) for k, v in pair(layer, memories)],
    ),
    "positions from right to left": (
        "words",
        "keras_attention",
        "BagOfWords._encode_positions",
        lambda encode: lambda *arguments: ops.flip(encode(*arguments), axis=-2),
    ),
    "pixels from right to left": (
        "patches",
        "keras_attention",
        "PatchEmbedding._split_into_patches",
        lambda split: lambda *arguments: ops.flip(split(*arguments), axis=-1),
    ),
    "coarsest square first": (
        "glimpses",
        "keras_attention.layers.recurrent_glimpses",
        "glimpse",
        lambda cut: lambda *arguments: ops.flip(cut(*arguments), axis=1),
    ),
    "past states for past cells": (
        "lstmn",
        "keras_attention",
        "LSTMNCell._read_past",
        lambda read: lambda *arguments: [read(*arguments)[k] for k in (0, 2, 1)],
    ),
    "memory without its mask": (
        "deep_fusion",
        "keras_attention",
        "DeepFusionDecoder.prepare",
        lambda prepare: lambda layer, memory, cells, mask: prepare(layer, memory, cells),
    ),
    "residual connections one cell higher": (
        "residual_stack",
        "keras_attention",
        "ResidualStack.__init__",
        lambda init: (
            lambda stack, cells, first, *rest, **options: init(
                stack, cells, first + 1, *rest, **options
            )
        ),
    ),
    "rows that do not count": (
        "losses",
        "keras_attention.attention_loss",
        "_has_target",
        lambda has: lambda target: has(target[..., :-1]),
    ),
}


def _repeat_weights(output, weights, carry):
    """Return the result of `attend_step` with the weights in place of the carry."""
    return output, weights, weights


def _count_rows(seeds):
    """Return the number of each row, of the dtype of the seeds."""
    return ops.arange(ops.shape(seeds)[0], dtype=seeds.dtype)


@only_tensorflow
@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found(monkeypatch, name):
    family, module_name, attribute, break_it = FAULTS[name]
    *owners, attribute = attribute.split(".")
    # Not `pkgutil.resolve_name`, because functions have the names of their modules.
    target = sys.modules[module_name]
    for owner in owners:
        target = getattr(target, owner)
    monkeypatch.setattr(target, attribute, break_it(getattr(target, attribute)))
    with pytest.raises(AssertionError):
        run_quick(family, EXAMPLES, shrink=False)


@only_tensorflow
def test_causal_mask_that_is_off_by_one_is_found(monkeypatch):
    positions = StructuredMask._query_positions
    monkeypatch.setattr(StructuredMask, "_query_positions", lambda self: positions(self) + 1)
    with pytest.raises(AssertionError):
        run_quick("dot", EXAMPLES, shrink=False)


@only_tensorflow
def test_block_without_its_mask_is_found(monkeypatch):
    from keras_attention.kernels.dot.tensorflow.scores import ScoreSlicer

    def forget_masks(self):
        return []

    monkeypatch.setattr(ScoreSlicer, "_collect_masks", forget_masks)
    with pytest.raises(AssertionError):
        run_quick("multi_head", EXAMPLES, shrink=False)


def test_case_is_written_as_code_that_reproduces_it():
    case = Case(normalize="sparsemax", keys=3, seed=5)
    code = write_code("normalize", case)
    assert "reproduce('normalize', seed=5, normalize='sparsemax', keys=3)" in code
    reproduce("normalize", seed=5, normalize="sparsemax", keys=3)


def test_long_run_counts_the_configurations(monkeypatch, capsys):
    monkeypatch.setattr(program, "MAX_EXAMPLES", 3)
    clock = itertools.count()  # one second passes whenever the program asks for the time
    monkeypatch.setattr(program, "time", types.SimpleNamespace(monotonic=clock.__next__))
    assert program.main(["--minutes", "0.1", "--family", "normalize"]) == 0
    assert re.search(r"normalize: [1-9]\d* configurations, 0 failures", capsys.readouterr().out)


def test_long_run_reports_failures(monkeypatch, capsys):
    failure = Case(keys=3), AssertionError("output differs")
    monkeypatch.setattr(program, "run_round", lambda *arguments: (7, failure))
    assert program.main(["--minutes", "1", "--family", "normalize"]) == 1
    output = capsys.readouterr().out
    assert "normalize: AssertionError: output differs" in output
    assert "reproduce('normalize', keys=3)" in output
    assert "normalize: 21 configurations, 3 failures" in output
