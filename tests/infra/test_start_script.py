"""The CronJob's script, run for real against a kubectl that answers as the API server would."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.infra.fake_bin import FakeBin
from tests.infra.manifests import INFRA

SCRIPT = INFRA / "kuberay" / "start.sh"
MANIFEST = INFRA / "kuberay" / "rayjob.yaml"

# KubeRay 1.7's, of ray-operator/apis/ray/v1/rayjob_types.go; New is the empty string there.
OVER = ("Complete", "Failed", "ValidationFailed")
NOT_OVER = ("", "Initializing", "Running", "Suspending", "Suspended", "Retrying", "Waiting")

ABSENT = {"words": "get rayjob", "out": ""}
CREATED = {"words": "create", "out": "rayjob.ray.io/gated-ray-sweep created\n"}
ALREADY = {
    "words": "create",
    "err": 'Error from server (AlreadyExists): error when creating "rayjob.yaml": '
    'rayjobs.ray.io "gated-ray-sweep" already exists\n',
    "code": 1,
}
DOWN = "The connection to the server 10.0.0.1:443 was refused - did you specify the right host or port?\n"


def seen(status: str, deleted: str = "") -> dict[str, object]:
    """The first look at a RayJob of this status."""
    return {"words": "get rayjob", "out": f"{status}|the-uid|41|{deleted}", "once": True}


@pytest.fixture
def fake(tmp_path: Path) -> FakeBin:
    return FakeBin(tmp_path / "bin", "kubectl", "sleep")


def run(fake: FakeBin, *answers: dict[str, object]) -> subprocess.CompletedProcess[str]:
    fake.answer("kubectl", *answers)
    return fake.run("bash", SCRIPT, MANIFEST, NAMESPACE="somewhere")


def verbs(fake: FakeBin) -> list[str]:
    return [call[1] for call in fake.calls if call[0] == "kubectl"]


def test_none_there_creates_it(fake: FakeBin) -> None:
    done = run(fake, ABSENT, CREATED)
    assert done.returncode == 0, done.stderr
    assert fake.calls[-1] == ["kubectl", "create", "--filename", str(MANIFEST)]
    assert verbs(fake) == ["get", "create"]
    assert "created" in done.stdout


@pytest.mark.parametrize("status", NOT_OVER)
def test_one_that_is_not_over_is_left_alone(fake: FakeBin, status: str) -> None:
    done = run(fake, seen(status))
    assert done.returncode == 0, done.stderr
    assert verbs(fake) == ["get"]
    assert f"gated-ray-sweep is {status or 'New'}" in done.stdout


@pytest.mark.parametrize("status", OVER)
def test_one_that_is_over_makes_way(fake: FakeBin, status: str) -> None:
    still_there = {"words": "get rayjob", "out": "the-uid", "once": True}
    done = run(fake, seen(status), still_there, still_there, ABSENT, CREATED)
    assert done.returncode == 0, done.stderr
    assert verbs(fake) == ["get", "delete", "get", "get", "get", "create"]
    delete = next(call for call in fake.calls if call[1] == "delete")
    assert delete[2:6] == ["--raw", "/apis/ray.io/v1/namespaces/somewhere/rayjobs/gated-ray-sweep", "--filename", "-"]
    assert json.loads(delete[6]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "the-uid", "resourceVersion": "41"},
    }


def test_someone_elses_new_one_is_not_waited_for(fake: FakeBin) -> None:
    done = run(fake, seen("Complete"), {"words": "get rayjob", "out": "another-uid"}, ALREADY)
    assert done.returncode == 0, done.stderr
    assert verbs(fake) == ["get", "delete", "get", "create"]
    assert "created by someone else" in done.stdout


def test_one_that_changed_since_it_was_looked_at_is_tried_again(fake: FakeBin) -> None:
    done = run(
        fake, seen("Failed"), {"words": "delete", "err": "Error from server (Conflict): the UID\n", "code": 1}, CREATED
    )
    assert done.returncode == 1
    assert verbs(fake) == ["get", "delete"]


def test_one_that_does_not_go_away_is_tried_again(fake: FakeBin) -> None:
    done = run(fake, seen("Complete"), {"words": "get rayjob", "out": "the-uid"}, ALREADY)
    assert verbs(fake) == ["get", "delete"] + 24 * ["get"]
    assert [call for call in fake.calls if call[0] == "sleep"] == 23 * [["sleep", "5"]]
    assert done.returncode == 1
    assert "does not go away" in done.stderr


def test_one_that_is_being_removed_is_tried_again(fake: FakeBin) -> None:
    done = run(fake, seen("Running", deleted="2026-11-22T02:00:00Z"), CREATED)
    assert done.returncode == 1
    assert verbs(fake) == ["get"]


def test_losing_the_race_to_create_is_no_failure(fake: FakeBin) -> None:
    done = run(fake, ABSENT, ALREADY)
    assert done.returncode == 0, done.stderr
    assert "created by someone else" in done.stdout


@pytest.mark.parametrize("words", ["get rayjob", "create"])
def test_an_api_server_that_is_down_is_a_failure(fake: FakeBin, words: str) -> None:
    done = run(fake, {"words": words, "err": DOWN, "code": 1}, ABSENT, CREATED)
    assert done.returncode == 1
    assert "refused" in done.stderr
    assert verbs(fake)[-1] == words.split()[0]


def test_every_status_that_the_script_names_is_kuberays() -> None:
    (line,) = re.findall(r"^  (\w+(?: \| \w+)+)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert tuple(line.split(" | ")) == OVER
