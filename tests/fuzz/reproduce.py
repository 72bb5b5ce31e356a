"""Run one case again: the code that a failure of the long run prints calls `reproduce`."""

import importlib

from tests.fuzz.checking import check
from tests.fuzz.families import FAMILIES


def reproduce(family, **fields):
    """Check one case of a family; other fields have their defaults."""
    _, build = FAMILIES[family]
    case_class = importlib.import_module(build.__module__).Case
    check(build, case_class(**fields))


def write_code(family, case):
    """Return the command that checks a case again."""
    fields = ", ".join(f"{name}={value!r}" for name, value in list_changed_fields(case).items())
    return (
        f"python -c \"from tests.fuzz.reproduce import reproduce; reproduce('{family}', {fields})\""
    )


def list_changed_fields(case):
    """Return the fields whose values are not the defaults."""
    default = type(case)()
    return {name: value for name, value in vars(case).items() if value != getattr(default, name)}
