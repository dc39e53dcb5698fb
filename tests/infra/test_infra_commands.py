"""Every command in infra/ that calls a job is one that the real job takes."""

from typing import Any

import pytest

from tests.infra.manifests import all_job_commands
from tests.infra.parsing import settings_of

COMMANDS = all_job_commands()


def settings_in(file: str, job: str) -> list[Any]:
    """What the commands of a file would run one job with."""
    return [
        settings
        for where, name, arguments in COMMANDS
        if (where, name) == (file, job)
        for settings in settings_of(name, *arguments)
    ]


@pytest.mark.parametrize(("file", "name", "arguments"), COMMANDS)
def test_the_job_takes_it(file: str, name: str, arguments: list[str]) -> None:
    taken = settings_of(name, *arguments)
    assert len(taken) == ("--help" not in arguments)


def test_none_is_overlooked() -> None:
    assert {file for file, _, _ in COMMANDS} == {
        "infra/Dockerfile",
        "infra/README.md",
        "infra/compose.yaml",
        "infra/kuberay/rayjob.yaml",
        "infra/launcher/nightly.sh",
        "infra/s3.sh",
    }


@pytest.mark.parametrize("file", ["infra/kuberay/rayjob.yaml", "infra/launcher/nightly.sh"])
def test_scheduled_passes_join_the_cluster_and_ask_for_gpus(file: str) -> None:
    (settings,) = settings_in(file, "watch")
    assert settings.cluster.address != "local"
    assert settings.cluster.workers == 8
    assert settings.cluster.gpus_per_worker == 1
    assert settings.store.url == "s3://my-bucket/gated-ray"
    assert settings.watch.every is None
    assert settings.log == "json"


def test_development_stays_on_this_machine() -> None:
    (sweep,) = settings_in("infra/compose.yaml", "sweep")
    (watch,) = settings_in("infra/compose.yaml", "watch")
    for settings in (sweep, watch):
        assert settings.cluster.address in (None, "local")
        assert settings.store.url == "s3://gated-ray/dataset"
    assert watch.watch.every == "6h"
