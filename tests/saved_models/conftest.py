"""Fixtures: the loader process that the tests of exports share."""

from tests.export.loader.shared import loader_process, use_shared_loader  # noqa: F401  (fixtures)
