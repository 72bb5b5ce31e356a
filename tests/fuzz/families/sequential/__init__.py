"""Location-aware and monotonic attention: a call of all queries, and the steps of a decoder."""

from tests.fuzz.families.sequential import decoder
from tests.fuzz.families.sequential.case import location_aware_cases, monotonic_cases
from tests.fuzz.families.sequential.problem import build

__all__ = ["build", "decoder", "location_aware_cases", "monotonic_cases"]
