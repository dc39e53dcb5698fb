"""The digest that verdicts on models hold for."""

import re
from importlib import resources
from pathlib import Path

import pytest

from gated_ray.errors import InputError
from gated_ray.watching import rules
from gated_ray.watching.rules import rules_digest

OWN = '[[family]]\ntypes = ["mine"]\nforms = ["gate_proj"]\n'


@pytest.fixture(autouse=True)
def fresh() -> None:
    rules._of_the_package.cache_clear()


def test_it_is_of_the_rules(tmp_path: Path) -> None:
    extra = tmp_path / "mine.toml"
    extra.write_text(OWN)
    first = rules_digest(str(extra))
    assert re.fullmatch("[0-9a-f]{8}", first)
    assert rules_digest(None) != first == rules_digest(str(extra))
    extra.write_text(OWN.replace("mine", "yours"))
    assert rules_digest(str(extra)) != first


@pytest.mark.parametrize(("name", "value"), [("MEASURE_VERSION", 99), ("FORMAT", 99), ("_ROOMS", ("gated_ray.store",))])
def test_it_is_of_the_code(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rules_digest(None)
    monkeypatch.setattr(rules, name, value)
    rules._of_the_package.cache_clear()
    assert rules_digest(None) != first


def test_it_is_of_every_rule_that_ships() -> None:
    names = {file.name for file in rules._files(resources.files("gated_ray.architectures"))}
    assert {"forms.toml", "families.toml", "families_remote.toml", "finding.py", "detect.py"} <= names


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"architectures\.extra"):
        rules_digest(str(tmp_path / "none.toml"))
