"""The script for cron, run for real with a ray that writes down how it was called."""

import fcntl
import shlex
from pathlib import Path

import pytest

from tests.infra.fake_bin import FakeBin
from tests.infra.manifests import INFRA
from tests.infra.parsing import settings_of

SCRIPT = INFRA / "launcher" / "nightly.sh"
CONFIG = "infra/launcher/aws.yaml"


@pytest.fixture
def fake(tmp_path: Path) -> FakeBin:
    return FakeBin(tmp_path / "bin", "ray")


def test_up_one_pass_down(fake: FakeBin, tmp_path: Path) -> None:
    done = fake.run(SCRIPT, CONFIG, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    up, exec_, down = fake.calls
    assert up == ["ray", "up", "--yes", CONFIG]
    assert down == ["ray", "down", "--yes", CONFIG]
    assert exec_[:3] == ["ray", "exec", CONFIG]
    submitted = shlex.split(exec_[3])
    assert submitted[:3] == ["ray", "job", "submit"]
    command = submitted[submitted.index("--") + 1 :]
    assert command[:3] == ["python", "-m", "jobs.watch"]
    (settings,) = settings_of("watch", *command[3:])
    assert settings.cluster.address != "local"
    assert settings.watch.every is None


@pytest.mark.parametrize("step", ["up", "exec"])
def test_what_fails_still_takes_the_cluster_down(fake: FakeBin, tmp_path: Path, step: str) -> None:
    fake.answer("ray", {"words": step, "err": "no\n", "code": 3})
    done = fake.run(SCRIPT, CONFIG, HOME=str(tmp_path))
    assert done.returncode == 3
    assert fake.calls[-1][1] == "down"


def test_a_cluster_that_does_not_go_down_is_said_aloud(fake: FakeBin, tmp_path: Path) -> None:
    fake.answer("ray", {"words": "down", "code": 2})
    done = fake.run(SCRIPT, CONFIG, HOME=str(tmp_path))
    assert done.returncode == 1
    assert "machines may be left that cost money" in done.stderr


def test_two_nights_do_not_meet(fake: FakeBin, tmp_path: Path) -> None:
    with open(tmp_path / ".gated-ray-nightly.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = fake.run(SCRIPT, CONFIG, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "the run before is not over" in done.stdout
    assert fake.calls == []
