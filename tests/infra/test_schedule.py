"""The CronJob and its rights: core Kubernetes objects, checked field by field."""

import shlex
from typing import Any

from tests.infra.manifests import INFRA, ROOT, document, documents, job_commands, rayjob

FILE = INFRA / "kuberay" / "schedule.yaml"
CRON: dict[str, Any] = document(FILE, "CronJob")
POD: dict[str, Any] = CRON["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_file_holds_these_objects_and_no_others() -> None:
    assert [(each["apiVersion"], each["kind"]) for each in documents(FILE)] == [
        ("v1", "ServiceAccount"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("batch/v1", "CronJob"),
    ]
    namespace = document(INFRA / "kuberay" / "namespace.yaml", "Namespace")["metadata"]["name"]
    for each in documents(FILE):
        assert each["metadata"] == {"name": "gated-ray-schedule", "namespace": namespace}
        assert set(each) <= {"apiVersion", "kind", "metadata", "spec", "rules", "roleRef", "subjects"}
    assert rayjob()["metadata"]["namespace"] == namespace


def test_rights_are_those_that_the_script_needs() -> None:
    name = rayjob()["metadata"]["name"]
    assert document(FILE, "Role")["rules"] == [
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]},
        {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "resourceNames": [name], "verbs": ["get", "delete"]},
    ]
    binding = document(FILE, "RoleBinding")
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "gated-ray-schedule"}
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": POD["serviceAccountName"], "namespace": "gated-ray"}
    ]


def test_ticks() -> None:
    spec = CRON["spec"]
    assert set(spec) == {
        "schedule",
        "timeZone",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "jobTemplate",
    }
    minute, hour, *rest = spec["schedule"].split()
    assert rest == ["*", "*", "*"]  # daily: what rayjob.yaml's deadline is measured by
    assert 0 <= int(minute) < 60
    assert 0 <= int(hour) < 24
    assert spec["concurrencyPolicy"] in {"Allow", "Forbid", "Replace"}
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] >= 10  # below, Kubernetes may never start it
    job = spec["jobTemplate"]["spec"]
    assert set(job) == {"backoffLimit", "activeDeadlineSeconds", "template"}
    retries = sum(10 * 2**number for number in range(job["backoffLimit"]))
    assert job["activeDeadlineSeconds"] > retries + 5 * 120  # a try waits two minutes for the old RayJob to go


def test_pod() -> None:
    assert set(POD) == {"serviceAccountName", "restartPolicy", "securityContext", "containers", "volumes"}
    assert POD["restartPolicy"] == "Never"
    assert POD["securityContext"]["runAsNonRoot"] is True
    (container,) = POD["containers"]
    assert set(container) == {"name", "image", "command", "env", "securityContext", "resources", "volumeMounts"}
    assert container["env"] == [{"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_it_creates_the_very_rayjob_that_is_checked() -> None:
    """The command reads two files of a ConfigMap, which the README makes of these two files."""
    (container,) = POD["containers"]
    (mount,), (volume,) = container["volumeMounts"], POD["volumes"]
    assert mount["name"] == volume["name"]
    assert container["command"] == ["bash", *(f"{mount['mountPath']}/{file}" for file in ("start.sh", "rayjob.yaml"))]
    text = (INFRA / "README.md").read_text().replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if "create configmap" in line)
    words = shlex.split(line)
    assert words[words.index("configmap") + 1] == volume["configMap"]["name"]
    assert words[words.index("--namespace") + 1] == rayjob()["metadata"]["namespace"]
    files = [word.removeprefix("--from-file=") for word in words if word.startswith("--from-file=")]
    assert {ROOT / file for file in files} == {INFRA / "kuberay" / "rayjob.yaml", INFRA / "kuberay" / "start.sh"}
    # The script names the object that it looks at and removes.
    assert f"\nname={rayjob()['metadata']['name']}\n" in (INFRA / "kuberay" / "start.sh").read_text()


def test_what_is_scheduled_is_one_pass() -> None:
    ((name, arguments),) = job_commands(rayjob()["spec"]["entrypoint"])
    assert name == "watch"
    assert not any(argument.startswith("watch.every") for argument in arguments)
