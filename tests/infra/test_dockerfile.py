"""The image: its layers as they are written, and its install step for real, in a new virtual environment."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.dockerfile import pip_commands, stages
from tests.infra.manifests import ROOT

COPIED = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "gated_ray", "jobs", "conf")


def test_stages() -> None:
    assert list(stages()) == ["build", "s3", "node"]
    bases = {
        arguments.rpartition(" AS ")[0] for each in stages().values() for name, arguments in each if name == "FROM"
    }
    assert bases == {"python:3.11-slim-bookworm"}  # the Python that the tests run with, one base for all


def test_it_runs_as_a_user_that_kubernetes_knows_is_not_root() -> None:
    for name in ("s3", "node"):
        users = [arguments for instruction, arguments in stages()[name] if instruction == "USER"]
        assert users == ["1000"]
    assert ("WORKDIR", "/home/ray") in stages()["node"]


def test_variants_come_of_one_argument_and_others_are_refused(tmp_path: Path) -> None:
    assert ("ARG", "VARIANT=cpu") in stages()["build"]
    (run,) = (arguments for name, arguments in stages()["build"] if name == "RUN" and "VARIANT" in arguments)
    script = run.replace("pip install", "echo INSTALL $PIP_EXTRA_INDEX_URL")

    def build(variant: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "VARIANT": variant}
        return subprocess.run(["sh", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True)

    assert build("cpu").stdout.startswith("INSTALL https://download.pytorch.org/whl/cpu ")
    assert build("cuda").stdout.startswith("INSTALL --constraint ")
    refused = build("rocm")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "VARIANT=rocm: choose cpu or cuda" in refused.stderr


def test_dependencies_are_a_layer_that_the_code_does_not_touch() -> None:
    build = stages()["build"]
    dependencies = next(
        number for number, (_, arguments) in enumerate(build) if "constraints.txt '.[cluster]'" in arguments
    )
    copied = [arguments.split()[:-1] for name, arguments in build[:dependencies] if name == "COPY"]
    assert copied == [["pyproject.toml", "constraints.txt"]]
    assert pip_commands() == [
        "pip install --constraint constraints.txt '.[cluster]'",
        "pip install --no-deps --force-reinstall .",
    ]


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    copied = {
        source
        for stage in stages().values()
        for name, arguments in stage
        if name == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    }
    assert copied == set(COPIED)
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture
def large_folder() -> Iterator[Path]:
    """A folder that goes with the test; pytest keeps its own for three sessions."""
    with tempfile.TemporaryDirectory(prefix="gated-ray-image-") as folder:
        yield Path(folder)


@pytest.mark.slow
def test_the_install_step_makes_the_jobs_runnable(large_folder: Path) -> None:
    """The two pip commands, in the order of the layers and on what is copied before each, then the jobs from elsewhere."""
    source, elsewhere = large_folder / "src", large_folder / "home"
    source.mkdir()
    elsewhere.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--upgrade-deps", large_folder / "venv"], check=True)
    path = f"{large_folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    # Compiling all takes half the time: the few files that are used are compiled as they are. (pip reads 0 as --no-compile.)
    environment = {**os.environ, "PATH": path, "PIP_NO_COMPILE": "0", "PYTHONDONTWRITEBYTECODE": ""}

    def run(command: str, cwd: Path, flags: str = "") -> str:
        done = subprocess.run(
            [*shlex.split(command), *shlex.split(flags)], cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    dependencies, package = pip_commands()
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    for name in ("README.md", "LICENSE"):
        (source / name).touch()
    # Where torch comes from is the machine's to say, as in `make setup`.
    run(dependencies, source, os.environ.get("PIP_FLAGS", ""))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("gated_ray", "jobs", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(package, source)

    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line)
    installed = dict(line.split("==") for line in run("pip freeze", elsewhere).split() if "==" in line)
    assert installed["torch"].partition("+")[0] == pinned["torch"]
    assert installed["ray"] == pinned["ray"]
    assert "aiohttp" in installed  # of ray[default]: the dashboard, job submission
    assert not {"pytest", "moto", "playwright"} & set(installed)
    for job in ("sweep", "watch", "verify"):
        assert "Configuration groups" in run(f"python -m jobs.{job} --help", elsewhere)
    assert "grace_seconds: 20" in run("python -m jobs.sweep cluster=cluster --cfg job", elsewhere)
    assert "job submit" in run("ray job submit --help", elsewhere)
