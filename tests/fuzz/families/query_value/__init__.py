"""Additive, dot-product, Luong's and hard attention: one call of queries, values and keys."""

from tests.fuzz.families.query_value.case import additive_cases, dot_cases
from tests.fuzz.families.query_value.problem import build

__all__ = ["additive_cases", "build", "dot_cases"]
