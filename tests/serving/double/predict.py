"""One prediction, whatever the protocol that it came by."""

from double.refusal import INVALID, Refusal
from keras_attention.export.checks.c_loader.model import LoaderError


def predict(models, spec, inputs, wanted=()):
    """Version, signature's name and outputs by name, of arrays by name.

    Args:
        models: `Models`.
        spec: ModelSpec of the request.
        inputs: Dict of name to array.
        wanted: Names of the outputs to return; none = all.
    """
    version, loaded = models.find(spec)
    signature = spec.signature_name or "serving_default"
    try:
        outputs = loaded.model.run(signature, inputs)
    except LoaderError as error:
        raise Refusal(error.code, str(error)) from error
    except ValueError as error:
        raise Refusal(INVALID, str(error)) from error
    unknown = set(wanted) - outputs.keys()
    if unknown:
        raise Refusal(INVALID, f"output tensor alias not found in signature: {sorted(unknown)}")
    return version, signature, {name: outputs[name] for name in wanted or outputs}


def signatures(loaded):
    """SignatureDef by name, without those that are TensorFlow's own."""
    found = loaded.model.signatures
    return {name: found[name] for name in found if not name.startswith("__")}
