"""Shell in infra/, in files and in YAML, is at least shell."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.manifests import INFRA, ROOT, SCRIPTS, document, documents, rayjob

LAUNCHERS = sorted((INFRA / "launcher").glob("*.yaml"))
LISTS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


def parses(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts(path: Path) -> None:
    parses(path.read_text())
    assert os.access(path, os.X_OK)
    assert "\nset -euo pipefail\n" in path.read_text()


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_launcher_commands(path: Path) -> None:
    (config,) = documents(path)
    commands = [command for name in LISTS for command in config[name]]
    assert len(commands) >= 9
    for command in commands:
        parses(command)


def test_commands_of_pods_and_services() -> None:
    head = rayjob()["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    command = head["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:2] == ["bash", "-c"]
    parses(command[2])
    (compose,) = documents(INFRA / "compose.yaml")
    serve = compose["services"]["s3"]["command"]
    assert serve[:2] == ["bash", "-c"]
    parses(serve[2])
    cron = document(INFRA / "kuberay" / "schedule.yaml", "CronJob")
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert (ROOT / "infra" / "kuberay" / Path(pod["containers"][0]["command"][1]).name).exists()


def test_blocks_of_the_readme_are_shell_and_name_files_that_are_there() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (INFRA / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 9
    for block in blocks:
        parses(block)
        for name in re.findall(r"(?<![\w/$])infra/[\w./-]*\w", block):
            assert (ROOT / name).exists(), name
