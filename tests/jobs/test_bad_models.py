"""One sweep of a sound model among everything that can be wrong with one: a line each, and the sound one is published."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gated_ray.store.catalogue import open_store
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.sound import sound_checkpoint
from tests.jobs.running import run_job
from tests.servers.hub import HubServer

pytestmark = pytest.mark.slow

ON_THE_HUB = {
    "org/absent": ("no such repository",),
    "org/private": ("no such repository", "if it is private", "HF_TOKEN", "hf auth login"),
    "org/gated": ("gated", "HF_TOKEN", "hf auth login"),
    "org/open@absent": ("no revision 'absent'",),
}
NOWHERE = {
    "./absent": ("no such folder",),
    "s3://": ("s3://bucket/prefix",),
    "two words": ("neither an existing folder",),
}


@dataclass(frozen=True)
class Swept:
    done: subprocess.CompletedProcess[str]
    home: Path
    store: Path

    @property
    def failures(self) -> list[str]:
        return [line.removeprefix("FAILED ") for line in self.done.stderr.splitlines() if line.startswith("FAILED ")]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    folder = tmp_path_factory.mktemp("bad-models")
    for name, breaking in BROKEN.items():
        breaking(sound_checkpoint(folder / name / name))
    good = sound_checkpoint(folder / "good")
    with HubServer() as hub:
        hub.add_repo("org/open", good)
        hub.add_repo("org/private", good, private=True, token="hf_not_ours")
        hub.add_repo("org/gated", good, gated=True, token="hf_not_ours")
        broken = [str(folder / name / name) for name in BROKEN]
        refs = [*broken[:3], "./good", *broken[3:], *ON_THE_HUB, *map(repr, NOWHERE)]
        done = run_job(
            "sweep",
            f"models.refs=[{','.join(refs)}]",
            "store.url=./store",
            "profile.regions=none",
            cwd=folder,
            environment={"HF_ENDPOINT": hub.endpoint, "HOME": str(folder / "home")},
        )
        yield Swept(done, folder / "home", folder / "store")


def test_the_sound_model_is_published(swept: Swept) -> None:
    assert swept.done.returncode == 1
    assert [row["model_name"] for row in open_store(str(swept.store)).models().to_pylist()] == ["good"]
    assert f"1 model, 88 neurons, {len(BROKEN) + len(ON_THE_HUB) + len(NOWHERE)} failures" in swept.done.stdout


@pytest.mark.parametrize("name", BROKEN)
def test_broken_checkpoints(swept: Swept, name: str) -> None:
    (line,) = (line for line in swept.failures if f"/{name}:" in line.split(" ")[0])
    for word in BROKEN[name].words:
        assert word.lower() in line.lower()


@pytest.mark.parametrize("reference", ON_THE_HUB | NOWHERE)
def test_references_that_cannot_be_had(swept: Swept, reference: str) -> None:
    (line,) = (line for line in swept.failures if line.strip("'").startswith(reference))
    for words in (ON_THE_HUB | NOWHERE)[reference]:
        assert words in line


def test_nothing_else_is_said(swept: Swept) -> None:
    """No traceback, no warnings, no word of Ray's or of a library's."""
    others = [line for line in swept.done.stderr.splitlines() if not line.startswith("FAILED ")]
    assert others.count("starting Ray on this machine ...") == 1
    units = [line for line in others if line.startswith("units ")]
    assert len(units) == len(others) - 1 > 0
    assert "hf_not_ours" not in swept.done.stdout + swept.done.stderr


def test_ray_leaves_no_token_in_the_home_folder(swept: Swept) -> None:
    assert not (swept.home / ".ray").exists()
