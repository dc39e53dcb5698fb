"""KubeRay's own schemas as JSON schemas that forbid what they do not name.

The API server prunes unknown fields in silence, so a misspelt one would be as if it were not there. The files lie beside the
repository, not in it; the tests that need them are skipped where they are not.
"""

import functools
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.infra.manifests import ROOT

FOLDER = ROOT.parent / "shared" / "kuberay-crds"

needs_crds = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no KubeRay CRDs in {FOLDER}")


@functools.cache
def validator(plural: str) -> Draft202012Validator:
    """Of version v1 of one of KubeRay's kinds."""
    # The pure Python loader takes ten times as long for files of a megabyte.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    crd = yaml.load((FOLDER / f"ray.io_{plural}.yaml").read_text(), Loader=loader)
    (schema,) = (version["schema"]["openAPIV3Schema"] for version in crd["spec"]["versions"] if version["name"] == "v1")
    strict = strictly(schema)
    # A CRD leaves the object's own metadata to Kubernetes.
    strict["properties"]["metadata"] = {"type": "object"}
    return Draft202012Validator(strict)


def strictly(schema: Any) -> Any:
    """The schema with unknown fields forbidden wherever it names some and does not keep others on purpose."""
    if isinstance(schema, list):
        return [strictly(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strictly(value) for key, value in schema.items()}
    names_fields = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    if names_fields and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def complaints(plural: str, manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest, a line each."""
    return [f"{error.json_path}: {error.message[:200]}" for error in validator(plural).iter_errors(manifest)]
