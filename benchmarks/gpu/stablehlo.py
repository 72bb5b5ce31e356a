"""TensorFlow's XLA module in the words that a JAX plugin's compiler takes."""

# There is no public way to hand a foreign program to a compiler that JAX brought along. These are
# private names, tried with the versions of jax that `pyproject.toml` and the README name.
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jaxlib import _jax


def from_hlo(hlo, full_precision=False):
    """Serialized HLO -> a StableHLO module.

    Args:
        hlo: Serialized XLA module, bytes.
        full_precision: Whether products of float32 matrices are computed in float32; otherwise a
            GPU may round their factors to TF32, which keeps three digits.
    """
    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        operations = []
        module.operation.walk(lambda op: operations.append(op) or ir.WalkResult.ADVANCE)
        for operation in operations:
            # TensorFlow returns each variable that it read through a copy, which StableHLO lacks.
            if operation.name == "mhlo.copy":
                operation.results[0].replace_all_uses_with(operation.operands[0])
                operation.erase()
            elif full_precision and "precision_config" in operation.attributes:
                highest = ir.Attribute.parse("#stablehlo<precision HIGHEST>")
                count = len(operation.operands)
                operation.attributes["precision_config"] = ir.ArrayAttr.get([highest] * count)
        return module
