"""docs/architectures.md: its examples do what it says, and its tables name every key of a file of rules."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from gated_ray.architectures.rules import Form, Rule
from gated_ray.errors import UnsupportedError
from gated_ray.inspection.models import inspect_model
from gated_ray.settings import InspectSettings
from tests.architectures_doc import PAGE, examples

_EXAMPLES = {example.name: example for example in examples()}


def keys_of(section: str) -> list[str]:
    """What stands in backticks in the first column of a section's table."""
    table = PAGE.read_text().split(f"### `{section}`")[1].split("\n#")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [key for row in rows for key in re.findall(r"`(\w+)`", row)]


def test_every_key_of_a_family_is_explained() -> None:
    assert keys_of("[[family]]") == [field.name for field in fields(Rule)]


def test_every_key_of_a_form_is_explained() -> None:
    toml_names = {"w_in": "in", "w_out": "out"}
    assert keys_of("[form.NAME]") == [toml_names.get(field.name, field.name) for field in fields(Form)]


def test_there_are_two_examples() -> None:
    assert list(_EXAMPLES) == ["osprey", "heron"]


@pytest.mark.parametrize("name", _EXAMPLES)
def test_without_the_file_the_example_is_refused(name: str, tmp_path: Path) -> None:
    checkpoint, _ = _EXAMPLES[name].write(tmp_path)
    with pytest.raises(UnsupportedError, match=rf"model_type '{name}'.*architectures\.extra=FILE"):
        inspect_model(str(checkpoint), InspectSettings())


@pytest.mark.parametrize("name", _EXAMPLES)
def test_with_the_file_the_page_shows_what_is_printed(name: str) -> None:
    assert _EXAMPLES[name].inspect() == _EXAMPLES[name].printed
