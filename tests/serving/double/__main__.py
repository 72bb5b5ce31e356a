"""`python -P tests/serving/double`, with flags of tensorflow_model_server."""

import argparse
import importlib.util
import signal
import sys
import threading
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="of gRPC")
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", required=True)
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float, default=0)
    parser.add_argument("--allow_version_labels_for_unavailable_models", action="store_true")
    given = parser.parse_args()
    _let_import()
    from double import grpc_services, rest
    from double.models import Models

    models = Models(
        Path(given.model_config_file),
        given.file_system_poll_wait_seconds,
        given.model_config_file_poll_wait_seconds,
        given.allow_version_labels_for_unavailable_models,
    )
    models.look()
    server = grpc_services.start(models, given.port)
    rest.start(models, given.rest_api_port)
    present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
    if present:
        raise RuntimeError(f"Expected neither Keras nor tensorflow.python. Received: {present}")
    threading.Thread(target=models.watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


def _let_import():
    """Lets modules of packages be imported while the packages' own code is not."""
    tensorflow = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    package = HERE.parents[2] / "keras_attention"
    places = {
        "tensorflow": tensorflow,
        "keras_attention": package,
        "keras_attention.export": package / "export",
        "double": HERE,
    }
    for name, place in places.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(place)]


if __name__ == "__main__":
    main()
