"""Command line: `python -P tests/serving/double`, with flags of tensorflow_model_server."""

import argparse
import importlib.util
import signal
import sys
import threading
import types
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main():
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="the port of gRPC")
    parser.add_argument("--rest_api_port", type=int, required=True)
    parser.add_argument("--model_config_file", required=True)
    # The double never loads a broken version again, which is what this value requests.
    parser.add_argument("--max_num_load_retries", type=int, choices=[0], required=True)
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1)
    parser.add_argument("--model_config_file_poll_wait_seconds", type=float, default=0)
    parser.add_argument("--allow_version_labels_for_unavailable_models", action="store_true")
    options = parser.parse_args()
    _register_namespaces()
    from double import grpc_services, rest
    from double.models import Models

    models = Models(
        Path(options.model_config_file),
        options.file_system_poll_wait_seconds,
        options.model_config_file_poll_wait_seconds,
        options.allow_version_labels_for_unavailable_models,
    )
    models.update()
    server = grpc_services.start(models, options.port)
    rest.start(models, options.rest_api_port)
    present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
    if present:
        raise RuntimeError(f"Expected neither Keras nor tensorflow.python. Received: {present}")
    threading.Thread(target=models.watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


def _register_namespaces():
    """Make the packages' modules importable without running their `__init__`."""
    tensorflow = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    package = FOLDER.parents[2] / "keras_attention"
    folders = {
        "tensorflow": tensorflow,
        "keras_attention": package,
        "keras_attention.export": package / "export",
        "double": FOLDER,
    }
    for name, folder in folders.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]


if __name__ == "__main__":
    main()
