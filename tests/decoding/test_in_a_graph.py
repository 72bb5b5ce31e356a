"""Decoding gives the same results eagerly, in a graph, under XLA and after export."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy, sample
from tests.decoding.toy import END, PAD, START, Source, Toy

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.function and SavedModel are TensorFlow's"
)
needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="jax.jit is JAX's")
DECODERS = [greedy, beam_search, sample]
OPTIONS = {
    greedy: {},
    beam_search: {"beam_width": 3, "length_penalty": 0.6, "coverage_penalty": 0.2},
    sample: {"temperature": 0.8, "top_k": 4, "top_p": 0.9, "seed": 3},
}
NAMES = ("hidden", "sums", "values", "mask", "start")


def make_decoder(toy, decode):
    """Return a function of tensors, named like an exported model's inputs and outputs."""

    def run(hidden, sums, values, mask, start):
        return decode(
            toy.step,
            {"hidden": hidden, "sums": [sums]},
            start,
            END,
            max_length=7,
            memory=Source(values, mask),
            memory_mask=mask,
            pad_token=PAD,
            **OPTIONS[decode],
        )._asdict()

    return run


def inputs(toy):
    start = np.full(toy.batch, START, "int32")
    floats = toy.first.astype("float32"), toy.values.astype("float32")
    return dict(zip(NAMES, (floats[0], 0 * start, floats[1], toy.mask, start), strict=True))


def assert_same(outputs, expected):
    assert set(outputs) == set(expected) == {"tokens", "lengths", "scores", "alignments"}
    for name in outputs:
        np.testing.assert_allclose(
            ops.convert_to_numpy(outputs[name]), ops.convert_to_numpy(expected[name]), atol=1e-5
        )


def tensors(toy):
    return {name: ops.convert_to_tensor(value) for name, value in inputs(toy).items()}


def specs():
    import tensorflow as tf

    shapes = {
        "hidden": tf.TensorSpec((None, 7), "float32", name="hidden"),
        "sums": tf.TensorSpec((None,), "int32", name="sums"),
        "values": tf.TensorSpec((None, None, 7), "float32", name="values"),
        "mask": tf.TensorSpec((None, None), "bool", name="mask"),
        "start": tf.TensorSpec((None,), "int32", name="start"),
    }
    return [shapes[name] for name in NAMES]


@needs_tensorflow
@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("static", [False, True])
def test_eager_and_compiled_results_are_equal(decode, jit_compile, static):
    import tensorflow as tf

    toy = Toy(seed=5, vocabulary=5, batch=3)
    run = make_decoder(toy, decode)
    compiled = tf.function(
        run, jit_compile=jit_compile, input_signature=None if static else specs()
    )
    for sized_toy in (toy, Toy(seed=5, vocabulary=5, batch=2, source=3)):
        assert_same(compiled(**tensors(sized_toy)), run(**tensors(sized_toy)))


@needs_jax
@pytest.mark.parametrize("decode", DECODERS)
def test_jax_jit_gives_the_same_result(decode):
    import jax

    toy = Toy(seed=5, vocabulary=5, batch=3)
    run = make_decoder(toy, decode)
    assert_same(jax.jit(run)(**tensors(toy)), run(**tensors(toy)))


@needs_tensorflow
@pytest.mark.parametrize("decode", DECODERS)
def test_export_of_unknown_sizes_gives_the_same_result(decode, tmp_path):
    import tensorflow as tf

    toy = Toy(seed=5, vocabulary=5, batch=3)
    run = make_decoder(toy, decode)
    archive = keras.export.ExportArchive()
    archive.add_endpoint("decode", run, input_signature=specs())
    archive.write_out(str(tmp_path), verbose=False)

    signature = tf.saved_model.load(str(tmp_path)).signatures["decode"]
    for sized_toy in (toy, Toy(seed=5, vocabulary=5, batch=2, source=3)):
        assert_same(signature(**tensors(sized_toy)), run(**tensors(sized_toy)))


@needs_tensorflow
@pytest.mark.parametrize("decode", DECODERS)
def test_graph_is_one_loop_of_ops_that_every_runtime_supports(decode):
    import tensorflow as tf

    run = make_decoder(Toy(seed=5, vocabulary=5), decode)
    graph = tf.function(run, input_signature=specs()).get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
    op_names = [node.op for node in nodes]
    assert sum(op_name in ("While", "StatelessWhile") for op_name in op_names) == 1
    unsupported = {"PyFunc", "EagerPyFunc", "Bitcast", "ArgMax"}
    assert not unsupported & set(op_names)
    assert not [op_name for op_name in op_names if op_name.startswith("TensorList")]
