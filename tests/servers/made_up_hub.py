"""A Hub whose repositories have true configs and headers, and made-up weights of any size that take neither disk nor memory."""

import hashlib
import json
import threading
from collections.abc import Iterable
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from tests.checkpoints.paper_models import PAPER_MODELS, Tensor
from tests.servers.hub import HubServer
from tests.servers.hub_repos import HubFile, Repo, Revision, read_revision
from tests.servers.made_up_bodies import BodyServer, MadeUpFile, start_of

SHARD_BYTES = 5_000_000_000
"""Of one file at most, as `save_pretrained` cut them for years."""


class MadeUpHub(HubServer):
    """A `HubServer` with repositories of this kind besides; its signed URLs lead to a `BodyServer`."""

    def __init__(self) -> None:
        super().__init__()
        self._bodies = BodyServer()
        self._scratch = TemporaryDirectory()
        self._hub.cdn = _Links(self._bodies)

    def __enter__(self) -> Self:
        threading.Thread(target=self._bodies.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._bodies.shutdown()
        self._bodies.server_close()
        self._scratch.cleanup()

    @property
    def bytes_sent(self) -> int:
        """Bytes of weights so far, headers of the files included."""
        return self._bodies.bytes_sent

    def add_made_up(
        self, name: str, config: dict[str, Any], tensors: Iterable[Tensor], shard_bytes: int = SHARD_BYTES
    ) -> None:
        """Serve a model of bfloat16 tensors, cut in their order into files of at most `shard_bytes`."""
        folder = Path(self._scratch.name) / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        shards = _shards(tensors, shard_bytes)
        if len(shards) > 1:
            weight_map = {tensor: file for file, part in shards.items() for tensor, _ in part}
            total = sum(_bytes(shape) for part in shards.values() for _, shape in part)
            index = {"metadata": {"total_size": total}, "weight_map": weight_map}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
        revision = read_revision(folder, hashlib.sha1(name.encode()).hexdigest())
        weights = {file: self._add_file(f"{name}/{file}", file, part) for file, part in shards.items()}
        revision = Revision(revision.commit, revision.files | weights)
        repo = Repo(name, private=False, gated=False, token=None)
        repo.commits[revision.commit] = repo.refs["refs/heads/main"] = revision
        self._hub.repos[name] = repo

    def _add_file(self, full_name: str, name: str, tensors: list[Tensor]) -> HubFile:
        file = MadeUpFile(*_head_and_body(tensors), start=start_of(full_name))
        digest = hashlib.sha256(full_name.encode()).hexdigest()
        self._bodies.files[f"/{digest}"] = file
        self._bodies.etags[f"/{digest}"] = digest
        return HubFile(name, Path(), file.size, digest, hashlib.sha1(digest.encode()).hexdigest(), lfs=True)


class _Links:
    """Signs URLs as the Hub's storage does; nobody checks them."""

    def __init__(self, bodies: BodyServer) -> None:
        self._bodies = bodies

    def signed_url(self, repo: str, file: HubFile) -> str:
        return f"{self._bodies.origin}/{file.sha256}?{urlencode({'Expires': 0, 'Signature': 'made-up'})}"


def paper_hub(names: Iterable[str]) -> MadeUpHub:
    """These of the paper's models."""
    hub = MadeUpHub()
    for name in names:
        model = PAPER_MODELS[name]
        hub.add_made_up(name, model.config, model.tensors())
    return hub


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * prod(shape)


def _shards(tensors: Iterable[Tensor], most: int) -> dict[str, list[Tensor]]:
    """Files and their tensors, cut as `save_pretrained` cuts: a new file where the next tensor would not fit."""
    parts: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if parts[-1] and size + _bytes(tensor[1]) > most:
            parts.append([])
            size = 0
        parts[-1].append(tensor)
        size += _bytes(tensor[1])
    if len(parts) == 1:
        return {"model.safetensors": parts[0]}
    return {f"model-{n:05d}-of-{len(parts):05d}.safetensors": part for n, part in enumerate(parts, 1)}


def _head_and_body(tensors: list[Tensor]) -> tuple[bytes, int]:
    """The header of a safetensors file, which sorts by name, and the bytes that follow it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in sorted(tensors):
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": (end, end := end + _bytes(shape))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, end
