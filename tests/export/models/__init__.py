"""Models that nobody prepared for an export, each with what must happen when it is exported.

`python -m tests.export.models` exports all of them, asks each export in the C++ loader about inputs
that it has not seen, and prints a table by kind. `tests/export/test_models.py` does the same for
the quick ones in each run of the tests.
"""
