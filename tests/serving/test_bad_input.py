"""Any input gets an error or a finite answer, and does not affect other clients' answers.

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
TEXT_BYTES = 10_000_000


@pytest.fixture(scope="module")
def setting(model_server):
    """The server, two clients, the inputs of every signature, and valid requests with answers."""
    client, second_client = GrpcClient(model_server.grpc), GrpcClient(model_server.grpc)
    kinds = [
        (model, name, dict(signature.inputs))
        for model in model_server.models
        for name, signature in sorted(client.signatures(model).items())
    ]
    valid = traffic.sample_requests(np.random.default_rng(3), len(kinds))
    yield model_server, (client, second_client), kinds, valid
    client.close()
    second_client.close()


@st.composite
def arrays(draw, info, size, is_wrong):
    """Draw an array for a TensorInfo, with `size` for unknown sizes; it may be wrong on purpose."""

    def is_changed():
        return is_wrong and not draw(st.integers(0, 9))

    dtype = tf.dtypes.as_dtype(info.dtype).name
    dtype = draw(st.sampled_from(DTYPES)) if is_changed() else dtype
    shape = [dim.size if dim.size >= 0 else size for dim in info.tensor_shape.dim]
    if is_changed():
        shape = draw(st.lists(st.sampled_from(SIZES), max_size=5))
    shape = [draw(st.sampled_from(SIZES)) if is_changed() else size for size in shape]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if dtype == "string":
        indices = rng.integers(len(STRINGS), size=shape)
        return np.array([*(STRINGS[i] for i in np.ravel(indices)), None], object)[:-1].reshape(
            shape
        )
    values = [*FLOATS] if dtype.startswith("float") else [*INTEGERS]
    if is_wrong and draw(st.booleans()):  # values that no model expects
        values += NOT_FINITE if dtype.startswith("float") else _extreme_integers(dtype)
    with np.errstate(all="ignore"):
        return rng.choice(np.array(values, object), shape).astype(dtype)


def _extreme_integers(dtype):
    if dtype == "bool":
        return []
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return [low, high, -1 if low < 0 else high - 1]


@st.composite
def any_requests(draw, kinds):
    """Draw a request of any signature; half of them are wrong in some respect."""
    model, signature, infos = draw(st.sampled_from(kinds))
    size, is_wrong = draw(st.sampled_from(SIZES)), draw(st.booleans())
    inputs = {name: draw(arrays(info, size, is_wrong)) for name, info in infos.items()}
    if is_wrong and not draw(st.integers(0, 19)):
        inputs.pop(draw(st.sampled_from(sorted(inputs))))
    if is_wrong and not draw(st.integers(0, 19)):
        inputs["unknown"] = np.zeros(1, "float32")
    return model, signature, inputs


def is_finite(arrays):
    return all(np.isfinite(x).all() for x in arrays.values() if x.dtype.kind == "f")


def fuzz(setting, count, **options):
    """Send `count` drawn requests; return how many were refused and how many answered."""
    server, clients, kinds, valid = setting
    counts = {"refused": 0, "answered": 0}

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        **options,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def send_one(data):
        model, signature, inputs = data.draw(any_requests(kinds))
        request = valid[sum(counts.values()) % len(valid)]
        arguments = request.model, request.inputs, request.signature
        # The valid request is on its way at the same time.
        future = threads.submit(clients[1].predict, *arguments)
        try:
            answer = clients[0].predict(model, inputs, signature)
        except ServerError as error:
            assert error.code in REFUSALS, error
            counts["refused"] += 1
        else:
            assert is_finite(answer.outputs)
            counts["answered"] += 1
        assert traffic.find_difference(request, future.result()) is None
        assert server.is_running()

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        send_one()
    return counts


def test_bad_input_does_not_affect_the_answers_of_another_client(setting):
    counts = fuzz(setting, 60, derandomize=True)
    assert min(counts.values()) > 5


@pytest.mark.slow
def test_thousands_of_bad_inputs_do_not_affect_another_client(setting):
    print("\n", fuzz(setting, 3000))


@pytest.mark.parametrize("text", ["x", "x ", "日"])
@pytest.mark.parametrize(
    ("model", "signature"),
    [
        ("translate_dates", "decode"),
        ("text_classification", "classify"),
        ("text_classification", "attention"),
    ],
)
def test_ten_megabytes_of_text_are_refused_or_answered(setting, model, signature, text):
    server, (client, second_client), _, valid = setting
    text = text.encode() * (TEXT_BYTES // len(text.encode()))
    try:
        answer = client.predict(model, {"text": [text, b"a"]}, signature)
        assert is_finite(answer.outputs)
    except ServerError as error:
        assert error.code in REFUSALS | {"RESOURCE_EXHAUSTED"}
    assert server.is_running()
    answer = second_client.predict(valid[0].model, valid[0].inputs, valid[0].signature)
    assert traffic.find_difference(valid[0], answer) is None
