"""Whatever a client sends, it gets an error or a finite answer, and other clients get their own.

pytest -m slow tests/serving/test_bad_input.py     # thousands of requests
"""

import concurrent.futures

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow Serving serves what TensorFlow exports", allow_module_level=True)

import tensorflow as tf

from examples.served import GrpcClient, ServerError
from tests.serving import traffic

SIZES = (0, 1, 2, 3, 7)
DTYPES = ("int32", "int64", "float32", "float64", "bool", "uint8", "float16", "string")
INTEGERS = (0, 1, 2, 3, 13, 49, 126, 127)
FLOATS = (0, 1, -1, 0.5, 1e38, -1e38, 1e-45)
NOT_FINITE = (np.nan, np.inf, -np.inf)
STRINGS = (b"", b"a", b"4 Aug 2027", b"\xff\xfe", b"\0", "é日\U0001f600".encode(), b"x " * 500)
REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND"}
LONG = 10_000_000  # bytes


@pytest.fixture(scope="module")
def world(published):
    """Two clients, the inputs of every signature, and requests with their answers."""
    client, other = GrpcClient(published.grpc), GrpcClient(published.grpc)
    kinds = [
        (model, name, dict(signature.inputs))
        for model in published.models
        for name, signature in sorted(client.signatures(model).items())
    ]
    good = traffic.draw(np.random.default_rng(3), len(kinds))
    yield published, (client, other), kinds, good
    client.close()
    other.close()


@st.composite
def arrays(draw, info, size, is_wrong):
    """An array for a TensorInfo: of `size` where it says none, or wrong in dtype, rank or size."""

    def sometimes():
        return is_wrong and not draw(st.integers(0, 9))

    dtype = tf.dtypes.as_dtype(info.dtype).name
    dtype = draw(st.sampled_from(DTYPES)) if sometimes() else dtype
    shape = [dim.size if dim.size >= 0 else size for dim in info.tensor_shape.dim]
    if sometimes():
        shape = draw(st.lists(st.sampled_from(SIZES), max_size=5))
    shape = [draw(st.sampled_from(SIZES)) if sometimes() else size for size in shape]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if dtype == "string":
        found = rng.integers(len(STRINGS), size=shape)
        return np.array([*(STRINGS[i] for i in np.ravel(found)), None], object)[:-1].reshape(shape)
    values = [*FLOATS] if dtype.startswith("float") else [*INTEGERS]
    if is_wrong and draw(st.booleans()):  # what no model can have meant
        values += NOT_FINITE if dtype.startswith("float") else _limits(dtype)
    with np.errstate(all="ignore"):
        return rng.choice(np.array(values, object), shape).astype(dtype)


def _limits(dtype):
    if dtype == "bool":
        return []
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    return [least, most, -1 if least < 0 else most - 1]


@st.composite
def any_requests(draw, kinds):
    model, signature, infos = draw(st.sampled_from(kinds))
    size, is_wrong = draw(st.sampled_from(SIZES)), draw(st.booleans())
    inputs = {name: draw(arrays(info, size, is_wrong)) for name, info in infos.items()}
    if is_wrong and not draw(st.integers(0, 19)):
        inputs.pop(draw(st.sampled_from(sorted(inputs))))
    if is_wrong and not draw(st.integers(0, 19)):
        inputs["more"] = np.zeros(1, "float32")
    return model, signature, inputs


def is_finite(arrays):
    return all(np.isfinite(x).all() for x in arrays.values() if x.dtype.kind == "f")


def fuzz(world, count, **how):
    """Sends that many requests of all kinds; how many were refused, and how many answered."""
    server, clients, kinds, good = world
    seen = {"refused": 0, "answered": 0}

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        **how,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def once(data):
        model, signature, inputs = data.draw(any_requests(kinds))
        other = good[sum(seen.values()) % len(good)]
        wanted = other.model, other.inputs, other.signature
        asked = threads.submit(clients[1].predict, *wanted)  # at the same time
        try:
            answer = clients[0].predict(model, inputs, signature)
        except ServerError as error:
            assert error.code in REFUSALS, error
            seen["refused"] += 1
        else:
            assert is_finite(answer.outputs)
            seen["answered"] += 1
        assert traffic.differs(other, asked.result()) is None
        assert server.is_running()

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        once()
    return seen


def test_bad_input_is_refused_or_answered_and_the_next_client_gets_its_own(world):
    seen = fuzz(world, 60, derandomize=True)
    assert min(seen.values()) > 5


@pytest.mark.slow
def test_thousands_of_bad_inputs(world):
    print("\n", fuzz(world, 3000))


@pytest.mark.parametrize("text", ["x", "x ", "日"])
@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("translate_dates", "decode"),
        ("text_classification", "classify"),
        ("text_classification", "attention"),
    ],
)
def test_ten_megabytes_of_text(world, model, signature, text):
    server, (client, other), _, good = world
    text = text.encode() * (LONG // len(text.encode()))
    try:
        answer = client.predict(model, {"text": [text, b"a"]}, signature)
        assert is_finite(answer.outputs)
    except ServerError as error:
        assert error.code in REFUSALS | {"RESOURCE_EXHAUSTED"}
    assert server.is_running()
    answer = other.predict(good[0].model, good[0].inputs, good[0].signature)
    assert traffic.differs(good[0], answer) is None
