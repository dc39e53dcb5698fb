"""The Dockerfile's instructions, by stage."""

import re

from tests.infra.manifests import INFRA


def stages() -> dict[str, list[tuple[str, str]]]:
    """Instruction and arguments, in order, of every stage by its name; the last is the image that a plain build makes."""
    text = re.sub(r"^#.*\n", "", (INFRA / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, arguments = line.partition(" ")
        if not line.strip():
            continue
        if instruction == "FROM":
            stage = arguments.rpartition(" AS ")[2]
            found[stage] = []
        found[stage].append((instruction, " ".join(arguments.split())))
    return found


def pip_commands() -> list[str]:
    """What the build stage installs, in order."""
    runs = [arguments for instruction, arguments in stages()["build"] if instruction == "RUN"]
    return [f"pip install {command}" for run in runs for command in re.findall(r"pip install (.*?)(?: &&|$)", run)]
