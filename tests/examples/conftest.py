"""A record of exports in place of a second export of the same model."""

from pathlib import Path

import pytest

import keras_attention


@pytest.fixture
def recorded_exports(monkeypatch):
    """Replace the export by a list of its directories; return the list.

    A resumed run exports what the first run exported and checked. That a second export becomes
    version 2 is tested with `translate_dates`.
    """
    directories = []

    def record(model, directory, *args, **options):
        directories.append(Path(directory))
        return Path(directory) / "1"

    monkeypatch.setattr(keras_attention.export, "saved_model", record)
    return directories
