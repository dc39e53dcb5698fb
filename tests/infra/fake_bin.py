"""Commands that stand in for real ones: they write down how they were called, and answer as they are told."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

_SOURCE = """#!{python} -SE
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
stdin = sys.stdin.read() if "-" in sys.argv else ""
with open(folder / "calls.jsonl", "a") as file:
    file.write(json.dumps([{name!r}, *sys.argv[1:], *([stdin] if stdin else [])]) + "\\n")
script = folder / "{name}.json"
answers = json.loads(script.read_text()) if script.exists() else []
for answer in answers:
    if answer["words"] in " ".join(sys.argv[1:]):
        if answer.pop("once", False):
            answers.remove(answer)
            script.write_text(json.dumps(answers))
        sys.stdout.write(answer.get("out", ""))
        sys.stderr.write(answer.get("err", ""))
        sys.exit(answer.get("code", 0))
"""


class FakeBin:
    """A folder for the front of PATH."""

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir()
        self.folder = folder
        for name in names:
            path = folder / name
            path.write_text(_SOURCE.format(python=sys.executable, folder=str(folder), name=name))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def answer(self, name: str, *answers: dict[str, object]) -> None:
        """What a command says and exits with: the first answer whose words are among its arguments, some of them once."""
        (self.folder / f"{name}.json").write_text(json.dumps(answers))

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script that finds these commands first."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command, env={**os.environ, **environment, "PATH": path}, capture_output=True, text=True, timeout=60
        )

    @property
    def calls(self) -> list[list[str]]:
        """Every call so far, in order: name, arguments, and what came by stdin if it was read."""
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
