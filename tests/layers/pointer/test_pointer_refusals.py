"""Errors for invalid arguments of a PointerDecoder."""

import keras
import numpy as np
import pytest

from keras_attention import PointerDecoder
from tests.layers.pointer.pointer_formulas import BATCH, MEMORY, MEMORY_MASK, POINTS, build_decoder

INDICES = np.zeros((BATCH, 3), "int32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((INDICES, MEMORY), "or pass `points`.*points None"),
        ((POINTS, MEMORY[0]), r"`memory`.*memory \(5, 7\)"),
        ((INDICES, MEMORY, POINTS[:, :4]), r"the memory's Tin.*points \(3, 4, 2\)"),
        ((POINTS, MEMORY, POINTS), r"`inputs` of shape \(batch, Tout\).*inputs \(3, 5, 2\)"),
        ((INDICES.astype("float32"), MEMORY, POINTS), "integer indices.*float32"),
        ((POINTS[:2], MEMORY), r"the memory's batch size.*inputs \(2, 5, 2\)"),
        ((INDICES[:1], MEMORY, POINTS), r"the memory's batch size.*inputs \(1, 3\)"),
        ((INDICES[:, :0], MEMORY, POINTS), r"at least one step.*inputs \(3, 0\)"),
        ((INDICES, MEMORY[:, :0], POINTS[:, :0]), r"at least one element.*memory \(3, 0, 7\)"),
    ],
)
def test_mismatched_shapes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"(?s)Expected .*{message}"):
        PointerDecoder(3)(*arguments)


def test_masks_of_the_wrong_shape_are_refused():
    decoder = build_decoder()
    with pytest.raises(ValueError, match=r"`inputs_mask`.*\(3, 5\)"):
        decoder(INDICES, MEMORY, POINTS, inputs_mask=MEMORY_MASK)
    for run in (lambda **o: decoder(INDICES, MEMORY, POINTS, **o), decode):
        with pytest.raises(ValueError, match=r"`memory_mask`.*\(3, 4\)"):
            run(memory_mask=MEMORY_MASK[:, :4])


def test_mask_visited_without_indices_is_refused():
    with pytest.raises(ValueError, match="mask_visited=True, points=None"):
        build_decoder()(POINTS, MEMORY, mask_visited=True)


def decode(**options):
    return build_decoder().decode(MEMORY, **{"points": POINTS, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length=0"),
        ({"beam_width": 0}, "beam_width=0"),
        ({"beam_width": 2.0}, "beam_width=2.0"),
        ({"allow_repeats": 1, "max_length": 3}, "allow_repeats=1"),
        ({"allow_repeats": True}, "max_length=None, allow_repeats=True"),
        ({"return_all_beams": "all"}, "return_all_beams='all'"),
        ({"return_attention_scores": 1}, "return_attention_scores=1"),
        ({"points": None}, r"`points` \(batch, Tin, 2\).*points \(3, 5, 7\)"),
        ({"points": POINTS[:, :4]}, r"points \(3, 4, 2\)"),
        ({"initial_state": [MEMORY[:, 0]]}, "`initial_state` of 2 tensors"),
        ({"points": POINTS.tolist()}, r"`points` to be a tensor.*points=\[\["),
        ({"points": keras.KerasTensor((3, 5, 2))}, "inside a layer.*points=<KerasTensor"),
    ],
)
def test_invalid_decoding_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=f"(?s)Expected .*{message}"):
        decode(**options)


def test_decoding_with_an_unbuilt_layer_is_refused():
    with pytest.raises(ValueError, match="called before decoding.*my_pointer, not built"):
        PointerDecoder(3, name="my_pointer").decode(MEMORY, POINTS)


@pytest.mark.parametrize("memory", [MEMORY.tolist(), keras.KerasTensor((3, 5, 7))])
def test_decoding_of_non_tensors_is_refused(memory):
    with pytest.raises(ValueError, match="Expected `memory` to be a tensor.*Received: memory="):
        build_decoder().decode(memory, POINTS)


def test_decoding_an_empty_memory_is_refused():
    with pytest.raises(ValueError, match=r"at least one element.*memory \(3, 0, 7\)"):
        build_decoder().decode(MEMORY[:, :0], POINTS[:, :0])
