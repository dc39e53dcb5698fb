"""What the RayJob must say beyond its schema, which has no enum for much of it and knows nothing of a sweep."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.manifests import INFRA, ROOT, document, raycronjob, rayjob, strings
from tests.infra.parsing import settings_of
from tests.infra.quantities import memory_of_the_largest_unit, quantity

SPEC: dict[str, Any] = rayjob()["spec"]
CLUSTER: dict[str, Any] = SPEC["rayClusterSpec"]
HEAD: dict[str, Any] = CLUSTER["headGroupSpec"]
GROUPS: dict[str, dict[str, Any]] = {group["groupName"]: group for group in CLUSTER["workerGroupSpecs"]}
PODS = [HEAD["template"]["spec"], *(group["template"]["spec"] for group in GROUPS.values())]

# KubeRay 1.7's, of ray-operator/apis/ray/v1/rayjob_types.go.
SUBMISSION_MODES = {"K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"}


def only_container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    return dict(container)


def overrides() -> dict[str, str]:
    """The settings that the entrypoint gives."""
    return dict(word.split("=", 1) for word in SPEC["entrypoint"].split() if "=" in word)


def limits(pod: dict[str, Any], name: str) -> float:
    return quantity(only_container(pod)["resources"]["limits"].get(name, "0"))


def test_names_are_such_that_kuberay_takes_them() -> None:
    # KubeRay appends six characters for the cluster, whose name may have 53.
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", rayjob()["metadata"]["name"])
    assert (rayjob()["apiVersion"], rayjob()["kind"]) == ("ray.io/v1", "RayJob")


def test_values_that_the_schema_does_not_check() -> None:
    assert SPEC["submissionMode"] in SUBMISSION_MODES
    for pod in PODS:
        assert pod["restartPolicy"] == "Never"  # autoscaler v2 refuses all else
        for toleration in pod.get("tolerations", []):
            assert toleration["operator"] in {"Exists", "Equal"}
            assert toleration["effect"] in {"NoSchedule", "PreferNoSchedule", "NoExecute"}
        assert only_container(pod)["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_ray_is_the_version_that_is_installed() -> None:
    assert f"ray=={CLUSTER['rayVersion']}\n" in (ROOT / "constraints.txt").read_text()


def test_a_sweep_that_ends_leaves_nothing_that_costs_or_is_in_the_way() -> None:
    day = 24 * 3600
    assert SPEC["shutdownAfterJobFinishes"] is True
    assert SPEC["backoffLimit"] == 0
    assert 0 < SPEC["ttlSecondsAfterFinished"] < 3600
    assert SPEC["activeDeadlineSeconds"] + SPEC["ttlSecondsAfterFinished"] < day
    assert "suspend" not in SPEC  # Kueue sets it; without Kueue it would never start


def test_head_does_no_work() -> None:
    assert HEAD["rayStartParams"]["num-cpus"] == "0"
    assert limits(PODS[0], "nvidia.com/gpu") == 0


@pytest.mark.parametrize("group", GROUPS)
def test_workers_come_from_zero(group: str) -> None:
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert (GROUPS[group]["replicas"], GROUPS[group]["minReplicas"]) == (0, 0)
    assert GROUPS[group]["maxReplicas"] >= int(overrides()["cluster.workers"])


def test_as_many_gpus_as_the_command_asks_for() -> None:
    # As long as there is no node with a GPU, nothing but the command says that GPUs are wanted.
    assert float(overrides()["cluster.gpus_per_worker"]) == limits(PODS[1], "nvidia.com/gpu") == 1
    assert limits(PODS[2], "nvidia.com/gpu") == 0
    assert only_container(PODS[1])["image"].endswith(":cuda")
    assert only_container(PODS[2])["image"].endswith(":cpu")


@pytest.mark.parametrize("number", [1, 2])
def test_a_worker_fits_in_its_pod(number: int) -> None:
    """One that did not would wait for a node that never comes."""
    (settings,) = settings_of("sweep", "cluster=cluster")
    assert limits(PODS[number], "cpu") >= settings.cluster.cpus_per_worker
    assert limits(PODS[number], "memory") >= memory_of_the_largest_unit(settings.cluster)


def test_memory_is_bounded_and_little_of_it_the_object_stores() -> None:
    for group, pod in zip([HEAD, *GROUPS.values()], PODS, strict=True):
        resources = only_container(pod)["resources"]
        assert resources["requests"] == resources["limits"]  # else a node may be overcommitted and kill what is above
        store = int(group["rayStartParams"]["object-store-memory"])
        assert 75 << 20 <= store <= limits(pod, "memory") / 10


def test_there_is_time_to_stop() -> None:
    (settings,) = settings_of("sweep", "cluster=cluster")
    grace = settings.cluster.grace_seconds
    (wait,) = (
        int(each["value"]) for each in only_container(PODS[0])["env"] if each["name"] == "RAY_JOB_STOP_WAIT_TIME_S"
    )
    for pod in PODS:
        assert grace < wait < pod["terminationGracePeriodSeconds"]
    stop = only_container(PODS[0])["lifecycle"]["preStop"]["exec"]["command"]
    assert f"ray job stop {SPEC['jobId']} " in stop[-1]


def test_secrets_are_named_never_given() -> None:
    for pod in PODS:
        assert pod["serviceAccountName"] == "gated-ray-sweep"
        assert pod["securityContext"]["runAsNonRoot"] is True
        container = only_container(pod)
        assert container["envFrom"] == [{"secretRef": {"name": "gated-ray", "optional": True}}]
        assert {each["name"] for each in container["env"]} <= {"AWS_DEFAULT_REGION", "RAY_JOB_STOP_WAIT_TIME_S"}
    assert CLUSTER["authOptions"] == {"mode": "token"}
    assert document(INFRA / "kuberay" / "namespace.yaml", "ServiceAccount")["metadata"]["name"] == "gated-ray-sweep"


def test_entrypoint_survives_the_two_shells_it_goes_through(tmp_path: Path) -> None:
    """The submitter's, which KubeRay writes it into as it stands, and the head's, which gets what `ray job submit` joined."""

    def through_a_shell(command: str) -> list[str]:
        printed = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {command}"], check=True, capture_output=True, text=True, cwd=tmp_path
        ).stdout
        return printed.split("\0")[:-1]

    wanted = shlex.split(SPEC["entrypoint"])
    assert through_a_shell(subprocess.list2cmdline(through_a_shell(SPEC["entrypoint"]))) == wanted
    assert "\n" not in SPEC["entrypoint"].strip()


def test_kueue_gives_room_for_what_the_sweep_may_grow_to() -> None:
    kueue = INFRA / "kuberay" / "kueue.yaml"
    queue, local = document(kueue, "ClusterQueue"), document(kueue, "LocalQueue")
    metadata = rayjob()["metadata"]
    assert metadata["labels"]["kueue.x-k8s.io/queue-name"] == local["metadata"]["name"]
    assert local["metadata"]["namespace"] == metadata["namespace"]
    assert metadata["annotations"]["kueue.x-k8s.io/elastic-job"] == "true"  # refused with autoscaling otherwise
    assert local["spec"]["clusterQueue"] == queue["metadata"]["name"]
    (group,) = queue["spec"]["resourceGroups"]
    (flavor,) = group["flavors"]
    assert flavor["name"] == document(kueue, "ResourceFlavor")["metadata"]["name"]
    quotas = {each["name"]: quantity(each["nominalQuota"]) for each in flavor["resources"]}
    assert list(quotas) == group["coveredResources"]
    besides = {"cpu": 1.0, "memory": 2 * 2**30}  # the submitter, and the autoscaler beside the head
    for name, quota in quotas.items():
        workers = max(limits(PODS[number], name) * 8 for number in (1, 2))
        assert quota >= limits(PODS[0], name) + workers + besides.get(name, 0)


def test_raycronjob_runs_the_very_same_job() -> None:
    made = raycronjob()
    assert made["spec"]["jobTemplate"] == SPEC
    assert (made["apiVersion"], made["kind"]) == ("ray.io/v1", "RayCronJob")
    assert made["metadata"]["namespace"] == rayjob()["metadata"]["namespace"]
    assert len(made["metadata"]["name"]) <= 36  # KubeRay appends the tick, and then the cluster's six characters
    assert any(
        made["spec"]["schedule"] == text for text in strings(document(INFRA / "kuberay" / "schedule.yaml", "CronJob"))
    )
