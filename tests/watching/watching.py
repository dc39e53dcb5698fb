"""A Hub with models on it, watches over it, and what they must leave."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gated_ray.settings import ClusterSettings, StoreSettings, SweepSettings, WatchListSettings, WatchSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from gated_ray.watching import passes
from gated_ray.watching.passes import Watch
from gated_ray.watching.rules import rules_digest
from gated_ray.watching.summary import Entry, Summary
from tests.cluster.sweeping import QUICK
from tests.servers.hub import HubServer

FOLDER = "_watch/default/profile=paper/"


@dataclass(frozen=True)
class World:
    """One Hub, the folders that its repositories serve, and the store that watches sweep into.

    Attributes:
        model: a tiny llama.
        large: one of more bytes.
        packed: one whose size the Hub's listing does not tell.
        alien: nothing that is understood.
    """

    hub: HubServer
    store: StoreSettings
    model: Path
    large: Path
    packed: Path
    alien: Path

    def add(self, name: str, folder: Path | None = None, version: int = 1, **access: Any) -> str:
        """A commit of its own for every name and version, as on the Hub, whatever the folder."""
        return self.hub.add_repo(name, folder or self.model, commit=commit_of(name, version), **access)

    def settings(self, **watch: Any) -> WatchSettings:
        chosen = WatchListSettings(**({"authors": ["org"]} | watch))
        return WatchSettings(watch=chosen, store=self.store, profile=QUICK, cluster=ClusterSettings(workers=1))

    def watch(self, dry_run: bool = False, **watch: Any) -> Summary:
        """One pass."""
        return Watch(replace(self.settings(**watch), dry_run=dry_run)).make_pass()

    def keys(self, prefix: str = "") -> list[str]:
        return [stored.key for stored in open_objects(self.store).list(prefix)]

    def files(self) -> dict[str, int]:
        """When each file of the dataset and of what it was made from was written."""
        store = Path(self.store.url)
        files = (path for folder in ("raw", "neurons", "layers") for path in (store / folder).rglob("*.parquet"))
        return {path.relative_to(store).as_posix(): path.stat().st_mtime_ns for path in files}

    def neurons(self) -> dict[str, str]:
        """The published neurons: digest of each file, by key."""
        return {stored.key: stored.etag for stored in open_objects(self.store).list("neurons/", digest=True)}

    def notes(self) -> set[str]:
        """What is noted, by ``model=commit=what``, without the digits of the rules."""
        names = (key.rsplit("/", 1)[1].removesuffix(".json") for key in self.keys(f"{FOLDER}notes/"))
        return {name.removesuffix(f"-{rules_digest(None)}") for name in names}

    def latest(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(open_objects(self.store).get(f"{FOLDER}latest.json"))
        return document

    def assert_sound(self, models: int) -> None:
        """The store holds so many published models, and everything is as its manifests say."""
        found = verify_store(open_objects(self.store))
        assert found.problems == ()
        assert found.models == models

    def requests(self) -> list[str]:
        """What the Hub was asked for since the log was cleared."""
        return [request.path for request in self.hub.log]


def refuse_sweeps(patch: pytest.MonkeyPatch) -> None:
    """From now on a pass that would sweep anything fails."""

    def refuse(settings: SweepSettings) -> None:
        raise AssertionError(f"to be swept: {settings.models.refs}")

    patch.setattr(passes, "run_sweep", refuse)


def commit_of(name: str, version: int = 1) -> str:
    return hashlib.sha1(f"{name} {version}".encode()).hexdigest()


def noted(name: str, what: str, version: int = 1) -> str:
    return f"{name.replace('/', '--')}={commit_of(name, version)}={what}"


def names(entries: tuple[Entry, ...]) -> set[str]:
    return {entry.model for entry in entries}
