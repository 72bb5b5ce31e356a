"""A client of TensorFlow Serving by REST: asks and answers as `examples.served.GrpcClient`."""

import base64
import json

import numpy as np
import requests
from urllib3.util import Retry

from examples.served import Answer, ServerError, refuse_both


class RestClient:
    """Asks a server's REST port; a client for each thread.

    Args:
        address: "host:port"; TensorFlow Serving's is 8501.
        timeout: Seconds that a try may take.
        tries: How often to try, with growing pauses: six wait half a minute for a server.
    """

    def __init__(self, address, timeout=60, tries=6):
        self.place, self.timeout = f"http://{address}/v1/models", timeout
        self.session = requests.Session()
        again = Retry(
            total=tries,
            backoff_factor=0.5,
            status_forcelist=[503],
            allowed_methods=None,
            raise_on_status=False,  # what the server said is told, not that it was asked so often
        )
        self.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=again))

    def predict(self, model, inputs, signature="serving_default", version=None, label=None):
        """The server's `Answer`, as `GrpcClient.predict`, by columns.

        The only output of a signature that has no other is called `output`: REST gives no name.
        NaN and infinity are sent as `NaN` and `Infinity`, which is no JSON and which the server
        reads.
        """
        refuse_both(version, label)
        place = f"{self.place}/{model}"
        place += "" if version is None else f"/versions/{version}"
        place += "" if label is None else f"/labels/{label}"
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        found = self._ask("POST", f"{place}:predict", "outputs", body)
        is_named = isinstance(found, dict) and found.keys() != {"b64"}
        found = found if is_named else {"output": found}
        return Answer({name: _from_json(value) for name, value in found.items()})

    def states(self, model):
        """What the server says of a model's versions: `{1: "AVAILABLE"}`."""
        found = self._ask("GET", f"{self.place}/{model}", "model_version_status")
        return {int(one["version"]): one["state"] for one in found}

    def close(self):
        """Ends the connection."""
        self.session.close()

    def _ask(self, method, address, wanted, body=None):
        """What an answer holds by the name of `wanted`."""
        kind = {"Content-Type": "application/json"}
        try:
            answer = self.session.request(
                method, address, data=body, headers=kind, timeout=self.timeout
            )
        except requests.RequestException as error:
            raise ServerError("UNAVAILABLE", error) from error
        try:
            found = answer.json()
        except requests.JSONDecodeError:  # of a proxy, mostly
            found = None
        found = found if isinstance(found, dict) else {}
        if answer.status_code != 200 or wanted not in found:
            raise ServerError(answer.status_code, found.get("error", answer.text[:500]))
        return found[wanted]


def _to_json(value):
    """Nested lists of an array's; bytes as text where they are UTF-8, else as `{"b64": ...}`."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(one) for one in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value


def _from_json(value):
    """An array, text as bytes, fractions as float32: the precision that they were sent in."""
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if isinstance(first, str | dict):
        # Of objects throughout: numpy's own strings drop zero bytes at their ends.
        texts = np.array(value, object)
        found = [_to_bytes(one) for one in texts.flat]
        return np.array([*found, None], object)[:-1].reshape(texts.shape)
    array = np.array(value)
    return array.astype("float32") if array.dtype == np.float64 else array


def _to_bytes(text):
    """A string's bytes; outputs whose names end in `_bytes` are sent as `{"b64": ...}`."""
    return base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode()
