"""Multi-head attention: cross and self, groups, windows, rotary positions, biases, caches."""

from tests.fuzz.families.multi_head.case import cases
from tests.fuzz.families.multi_head.problem import build

__all__ = ["build", "cases"]
