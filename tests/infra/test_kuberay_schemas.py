"""KubeRay's objects against KubeRay's schemas, unknown fields forbidden."""

import copy
from typing import Any

import pytest

from tests.infra.crd_schemas import complaints, needs_crds
from tests.infra.manifests import mappings, raycronjob, rayjob

pytestmark = needs_crds

# Maps whose keys are the user's, and the object's own metadata, which a CRD leaves to Kubernetes.
_FREE = {"labels", "annotations", "rayStartParams", "requests", "limits", "metadata"}


@pytest.mark.parametrize(("plural", "manifest"), [("rayjobs", rayjob()), ("raycronjobs", raycronjob())])
def test_objects_fit_their_schema(plural: str, manifest: dict[str, Any]) -> None:
    assert complaints(plural, manifest) == []


def test_an_unknown_field_is_refused_wherever_it_stands() -> None:
    tried = 0
    for path, _ in mappings(rayjob()):
        if path and (path[-1] in _FREE or path[0] == "metadata"):
            continue
        broken = copy.deepcopy(rayjob())
        inner: Any = broken
        for key in path:
            inner = inner[key]
        inner["notAField"] = "x"
        assert any("notAField" in line for line in complaints("rayjobs", broken)), path
        tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "backoffLimit"), "0"),
        (("spec", "shutdownAfterJobFinishes"), "true"),
        (("spec", "rayClusterSpec", "authOptions", "mode"), "tokens"),
        (("spec", "rayClusterSpec", "autoscalerOptions", "version"), "v3"),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "minReplicas"), 0.5),
        (("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "rayClusterSpec", "workerGroupSpecs", 0, "template", "spec", "containers", 0, "name"), None),
    ],
)
def test_a_wrong_value_is_refused(path: tuple[str | int, ...], value: object) -> None:
    broken: Any = rayjob()
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert complaints("rayjobs", broken) != []
