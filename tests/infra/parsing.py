"""What the real jobs make of a command line, without doing it."""

import functools
import runpy
import sys
from typing import Any

import pytest

import jobs.command


def settings_of(name: str, *arguments: str) -> list[Any]:
    """The settings that ``python -m jobs.NAME ARGUMENTS`` would run with; none with ``--help``.

    Fails if the job would exit with an error.
    """
    taken: list[Any] = []

    def take(settings: object) -> bool:
        taken.append(settings)
        return True

    @functools.wraps(jobs.command.run_command)
    def run_command(config_name: str, schema: type[Any], call: object) -> None:
        original(config_name, schema, take)

    original = jobs.command.run_command
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs.command, "run_command", run_command)
        patch.setattr(sys, "argv", [f"jobs.{name}", *arguments])
        patch.delitem(sys.modules, f"jobs.{name}", raising=False)
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module(f"jobs.{name}", run_name="__main__")
    assert not exit_.value.code, f"python -m jobs.{name} {' '.join(arguments)} exits {exit_.value.code}"
    return taken
