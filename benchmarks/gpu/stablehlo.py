"""Convert TensorFlow's XLA modules to StableHLO, the input of a JAX plugin's compiler."""

# This module uses private names, because JAX has no public way to compile a program that it has not
# traced. They are tested with the version of jax that `pyproject.toml` requires for gpu-aot.
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jaxlib import _jax


def from_hlo(hlo, full_precision=False):
    """Convert serialized HLO to a StableHLO module.

    Args:
        hlo: Serialized XLA module, bytes.
        full_precision: Whether to compute products of float32 matrices in float32. Otherwise a
            GPU may round the factors to TF32, which has a precision of three decimal digits.

    Returns:
        The module.
    """
    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        operations = []
        module.operation.walk(lambda op: operations.append(op) or ir.WalkResult.ADVANCE)
        for operation in operations:
            # Replace TensorFlow's copies of variables by the variables: StableHLO has no copies.
            if operation.name == "mhlo.copy":
                operation.results[0].replace_all_uses_with(operation.operands[0])
                operation.erase()
            elif full_precision and "precision_config" in operation.attributes:
                highest = ir.Attribute.parse("#stablehlo<precision HIGHEST>")
                count = len(operation.operands)
                operation.attributes["precision_config"] = ir.ArrayAttr.get([highest] * count)
        return module
