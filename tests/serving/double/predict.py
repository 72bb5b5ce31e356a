"""A prediction, for either protocol."""

from double.refusal import INVALID, Refusal
from keras_attention.export.checks.c_loader.model import LoaderError
from keras_attention.export.checks.c_loader.signatures import select_for_clients


def predict(models, spec, inputs, selected=()):
    """Return the version, the signature's name and the outputs by name.

    Args:
        models: `Models`.
        spec: ModelSpec of the request.
        inputs: Dict of name to array.
        selected: Names of the outputs to return; empty = all.
    """
    version, loaded = models.find(spec)
    signature = spec.signature_name or "serving_default"
    try:
        outputs = loaded.model.run(signature, inputs)
    except LoaderError as error:
        raise Refusal(error.code, str(error)) from error
    except ValueError as error:
        raise Refusal(INVALID, str(error)) from error
    unknown = set(selected) - outputs.keys()
    if unknown:
        raise Refusal(INVALID, f"output tensor alias not found in signature: {sorted(unknown)}")
    return version, signature, {name: outputs[name] for name in selected or outputs}


def list_signatures(loaded):
    """Return the SignatureDefs by name, without TensorFlow's own."""
    return select_for_clients(loaded.model.signatures)
