"""The cluster launcher's YAML, by Ray's own validator and by what a sweep needs of it."""

import copy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from tests.infra.manifests import INFRA, documents, job_commands
from tests.infra.parsing import settings_of
from tests.infra.quantities import memory_of_the_largest_unit

FOLDER = INFRA / "launcher"
CLOUDS = ("aws", "gcp")


def config(cloud: str) -> dict[str, Any]:
    (found,) = documents(FOLDER / f"{cloud}.yaml")
    return found


def prepared(given: dict[str, Any]) -> dict[str, Any]:
    """As `ray up` has it before it speaks to the cloud: Ray's defaults filled in, then checked."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    made: dict[str, Any] = prepare_config(copy.deepcopy(given))
    validate_config(made)
    return made


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_accepts_it(cloud: str) -> None:
    made = prepared(config(cloud))
    assert made["available_node_types"]["head"]["max_workers"] == 0
    assert made["provider"]["type"] == cloud
    # Ray's defaults install another Ray; none of them is left.
    for name in ("setup_commands", "head_setup_commands", "worker_setup_commands"):
        assert not any("ray-wheels" in command or "pip install -U" in command for command in made[name])


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("where", [(), ("available_node_types", "worker"), ("auth",)])
def test_ray_refuses_an_unknown_field(cloud: str, where: tuple[str, ...]) -> None:
    broken = config(cloud)
    inner = broken
    for key in where:
        inner = inner[key]
    inner["notAField"] = "x"
    with pytest.raises(ValidationError, match="notAField"):
        prepared(broken)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_workers_come_from_zero_and_the_head_does_no_work(cloud: str) -> None:
    nodes = config(cloud)["available_node_types"]
    assert set(nodes) == {"head", "worker"}
    assert nodes["head"]["resources"] == {"CPU": 0}
    assert nodes["worker"]["min_workers"] == 0
    assert nodes["worker"]["max_workers"] == config(cloud)["max_workers"]
    # What an actor asks for must be said, or the autoscaler takes it for a node that can never have it.
    assert set(nodes["worker"]["resources"]) == {"CPU", "GPU", "memory"}
    assert config(cloud)["provider"]["cache_stopped_nodes"] is False


def test_workers_are_spot_and_identified_by_their_role() -> None:
    aws = config("aws")["available_node_types"]
    assert aws["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in aws["head"]["node_config"]
    gcp = config("gcp")["available_node_types"]
    assert gcp["worker"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"
    assert "scheduling" not in gcp["head"]["node_config"]
    for name in ("head", "worker"):
        assert aws[name]["node_config"]["IamInstanceProfile"] == {"Name": f"gated-ray-{name}"}
        (account,) = gcp[name]["node_config"]["serviceAccounts"]
        assert account["email"].startswith(f"gated-ray-{name}@")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nodes_install_the_repository_with_its_constraints(cloud: str) -> None:
    made = config(cloud)
    mounts = made["file_mounts"]
    assert mounts["~/gated-ray"] == "."
    assert {".git", ".venv", "results"} <= set(made["rsync_exclude"])
    for name in ("head_setup_commands", "worker_setup_commands"):
        install = made[name][-1]
        assert install.startswith("cd ~/gated-ray && ")
        assert install.endswith("~/venv/bin/pip install -q --constraint constraints.txt '.[cluster]'")
    assert made["head_setup_commands"] != made["worker_setup_commands"]  # the head needs no CUDA


@pytest.mark.parametrize("cloud", CLOUDS)
def test_secrets_are_read_where_a_node_starts(cloud: str) -> None:
    made = config(cloud)
    read = {"aws": "aws ssm get-parameter ", "gcp": "gcloud secrets versions access latest "}[cloud]
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        stop, start = made[name]
        assert stop == "ray stop"
        assert start.startswith(f'export HF_TOKEN="$({read}')
        assert start.index("HF_TOKEN") < start.index("ray start")
        assert "--object-store-memory=268435456" in start
    assert "RAY_JOB_STOP_WAIT_TIME_S=30" in made["head_start_ray_commands"][1]
    assert made["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in made["setup_commands"])


def test_both_clouds_differ_in_nothing_else() -> None:
    aws, gcp = config("aws"), config("gcp")
    for name in set(aws) - {"provider", "available_node_types", "head_setup_commands"}:
        if not name.endswith("start_ray_commands"):
            assert aws[name] == gcp[name], name
    assert aws["head_setup_commands"][-1] == gcp["head_setup_commands"][-1]


def test_a_sweep_asks_for_no_more_than_the_cluster_has() -> None:
    ((_, arguments),) = job_commands(Path(FOLDER / "nightly.sh").read_text())
    given = dict(argument.split("=", 1) for argument in arguments)
    for cloud in CLOUDS:
        worker = config(cloud)["available_node_types"]["worker"]
        assert int(given["cluster.workers"]) <= worker["max_workers"]
        assert float(given["cluster.gpus_per_worker"]) == worker["resources"]["GPU"]
        (settings,) = settings_of("watch", *arguments)
        assert worker["resources"]["CPU"] >= settings.cluster.cpus_per_worker
        assert worker["resources"]["memory"] >= memory_of_the_largest_unit(settings.cluster)
