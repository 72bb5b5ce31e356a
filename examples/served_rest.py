"""A REST client of TensorFlow Serving, with the interface of `examples.served.GrpcClient`."""

import base64
import json

import numpy as np
import requests
from urllib3.util import Retry

from examples.served import Answer, ServerError, check_version_or_label


class RestClient:
    """A client of a server's REST port; each thread needs its own.

    Args:
        address: "host:port", or a URL that may be https and may have a path, such as that of a
            proxy. TensorFlow Serving's default port for REST is 8501.
        timeout: Seconds that one attempt may take.
        tries: Number of retries, with growing pauses: six retries take half a minute in total.
        headers: Dict of HTTP headers for each request, such as `{"Authorization": "Bearer ..."}`.
            Do not send secrets without TLS.
        verify: For https: True, or the file of the certificates to trust.
        certificate: For https: the files of the client's certificate and key, if the server asks
            for them.
    """

    def __init__(self, address, timeout=60, tries=6, headers=None, verify=True, certificate=None):
        base = address if "://" in address else f"http://{address}"
        self.models, self.timeout, self.tries = f"{base.rstrip('/')}/v1/models", timeout, tries
        self.session = requests.Session()
        self.session.headers.update(headers or {})
        self.verify, self.session.cert = verify, certificate
        retries = Retry(
            total=tries,
            backoff_factor=0.5,
            status_forcelist=[503],
            allowed_methods=None,
            raise_on_status=False,  # Report the server's message, not the number of retries.
        )
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retries))

    def predict(self, model, inputs, signature="serving_default", version=None, label=None):
        """Return the server's `Answer`, like `GrpcClient.predict`, in the columnar format.

        If a signature has a single output, its name here is `output`, because REST omits the name.
        NaN and infinity are sent as `NaN` and `Infinity`, which the server accepts although they
        are not JSON.
        """
        check_version_or_label(version, label)
        address = f"{self.models}/{model}"
        address += "" if version is None else f"/versions/{version}"
        address += "" if label is None else f"/labels/{label}"
        columns = {name: _to_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        outputs = self._request("POST", f"{address}:predict", "outputs", body)
        is_named = isinstance(outputs, dict) and outputs.keys() != {"b64"}
        outputs = outputs if is_named else {"output": outputs}
        return Answer({name: _from_json(value) for name, value in outputs.items()})

    def states(self, model):
        """Return the state of each version of a model, such as `{1: "AVAILABLE"}`."""
        statuses = self._request("GET", f"{self.models}/{model}", "model_version_status")
        return {int(status["version"]): status["state"] for status in statuses}

    def close(self):
        """Close the connection."""
        self.session.close()

    def _request(self, method, address, field, body=None):
        """Send a request, and return one field of the JSON answer."""
        try:
            answer = self._send(method, address, body)
        except requests.RequestException as error:
            raise ServerError("UNAVAILABLE", error) from error
        try:
            content = answer.json()
        except requests.JSONDecodeError:  # for example, the answer of a proxy
            content = None
        content = content if isinstance(content, dict) else {}
        if answer.status_code != 200 or field not in content:
            raise ServerError(answer.status_code, content.get("error", answer.text[:500]))
        return content[field]

    def _send(self, method, address, body):
        """Send a request, again if the connection breaks while the answer's body is read.

        The session's own retries end when the headers have arrived.
        """
        options = {"data": body, "timeout": self.timeout}
        options["headers"] = {"Content-Type": "application/json"}
        # REQUESTS_CA_BUNDLE in the environment would override an attribute of the session.
        options["verify"] = self.verify
        for _ in range(self.tries):
            try:
                return self.session.request(method, address, **options)
            except requests.exceptions.ChunkedEncodingError:
                continue
        return self.session.request(method, address, **options)


def _to_json(value):
    """Convert an array to nested lists; bytes that are not UTF-8 become `{"b64": ...}`."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value


def _from_json(value):
    """Convert nested lists to an array: text to bytes, floats to float32, their served dtype."""
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if isinstance(first, str | dict):
        # numpy's own string dtypes drop trailing zero bytes, so strings stay objects.
        texts = np.array(value, object)
        strings = [_to_bytes(text) for text in texts.flat]
        return np.array([*strings, None], object)[:-1].reshape(texts.shape)
    array = np.array(value)
    return array.astype("float32") if array.dtype == np.float64 else array


def _to_bytes(text):
    """Convert text to bytes. A server sends outputs named `*_bytes` as `{"b64": ...}`."""
    return base64.b64decode(text["b64"]) if isinstance(text, dict) else text.encode()
