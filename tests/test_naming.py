"""Names in the package: functions are verbs, predicates say so, variables say what they hold."""

import ast
from pathlib import Path

import pytest

import keras_attention

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "keras_attention").rglob("*.py"))
# A past participle or an adjective says what a result is like, not what the function does.
NOT_VERBS = set(
    """alone bounded cut drawn dropped each flat found given hidden joined kept known made masked
    overlapped padded plain precise read_plainly said seen sight told unit visible waiting whole
    written""".split()
)
NOT_PREDICATES = ("avoids_", "becomes_", "covers", "exceeds_", "fuses", "keeps_", "reads_", "sees")
NOT_GRADIENTS = "of_"
PRO_WORDS = set("asked following found given known made others said told wanted".split())
SUPERLATIVES = set("LARGEST FARTHEST LOWEST LEAST MOST MANY MORE HIGHEST FEWEST FEW".split())
# Public names stay what they are.
PUBLIC = {"covers", "masked", "visited"}


def _is_banned_function(name):
    bare = name.strip("_")
    if name in PUBLIC:
        return False
    return bare in NOT_VERBS or bare.startswith((NOT_GRADIENTS, *NOT_PREDICATES))


def _stored_names(tree):
    """Every function argument and assigned variable, as `(name, line)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_follow_the_rules(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    banned = [
        f"line {node.lineno}: function {node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _is_banned_function(node.name)
    ]
    for name, line in _stored_names(tree):
        words = set(name.strip("_").split("_"))
        if name.strip("_") in PRO_WORDS or name.startswith(NOT_GRADIENTS):
            banned.append(f"line {line}: variable {name}")
        elif name.isupper() and words & SUPERLATIVES:
            banned.append(f"line {line}: constant {name}")
    assert not banned, "\n".join(banned)


@pytest.mark.parametrize(
    "name, is_banned",
    [("dropped", True), ("_kept", True), ("of_query", True), ("reads_dots", True)]
    + [("apply_dropout", False), ("masked", False), ("keep_mask", False), ("is_dot", False)],
)
def test_the_rule_knows_a_verb_from_a_participle(name, is_banned):
    assert _is_banned_function(name) == is_banned


def test_the_exceptions_are_public():
    public = {*keras_attention.mask.__all__, *keras_attention.normalize.__all__}
    assert PUBLIC <= public | set(dir(keras_attention.score.Score))
