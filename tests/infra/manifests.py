"""What infra/ says: its YAML documents, and every command in it that calls one of the jobs."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
YAML_FILES = sorted(INFRA.rglob("*.yaml"))
SCRIPTS = sorted(INFRA.rglob("*.sh"))

_JOB = re.compile(r"python -m jobs\.(\w+)([^\n`]*)")
_AFTER = re.compile(r"\s+(#|&&|\||>).*")


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of one YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def document(path: Path, kind: str) -> dict[str, Any]:
    """The one document of this kind in a file."""
    (found,) = (each for each in documents(path) if each["kind"] == kind)
    return found


def rayjob() -> dict[str, Any]:
    """The RayJob that is scheduled."""
    return document(INFRA / "kuberay" / "rayjob.yaml", "RayJob")


def raycronjob() -> dict[str, Any]:
    """The RayCronJob that the script beside it prints."""
    printed = subprocess.run(
        [INFRA / "kuberay" / "raycronjob.sh"], check=True, capture_output=True, text=True, cwd="/"
    ).stdout
    made: dict[str, Any] = yaml.safe_load(printed)
    return made


def strings(node: object) -> Iterator[str]:
    """Every string value below a node."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def mappings(node: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every mapping below a node, itself included, with where it stands."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from mappings(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from mappings(value, (*path, number))


def job_commands(text: str) -> list[tuple[str, list[str]]]:
    """The jobs that a text calls, with their arguments as a shell would hand them over."""
    found = []
    for name, rest in _JOB.findall(text.replace("\\\n", " ")):
        rest = _AFTER.sub("", rest)
        for quote in "'\"":
            if rest.count(quote) % 2:  # the command is itself an argument in quotes, which end here
                rest = rest.rpartition(quote)[0]
        found.append((name, shlex.split(rest)))
    return found


def all_job_commands() -> list[tuple[str, str, list[str]]]:
    """File, job and arguments of every command in infra/: YAML by its values, all else by its text."""
    found = []
    for path in YAML_FILES:
        for text in dict.fromkeys(text for each in documents(path) for text in strings(each)):
            found += [(str(path.relative_to(ROOT)), *command) for command in job_commands(text)]
    for path in [*SCRIPTS, INFRA / "README.md", INFRA / "Dockerfile"]:
        text = path.read_text().replace('", "', " ")  # of the Dockerfile's CMD
        found += [(str(path.relative_to(ROOT)), *command) for command in job_commands(text.replace('"]', ""))]
    return found
