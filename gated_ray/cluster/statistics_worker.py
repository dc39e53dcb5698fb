"""The actor that runs models over shards of tokens and commits their statistics. It keeps one model at a time."""

import threading
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import ray
import torch

from gated_ray.activations.checking import formulas_of
from gated_ray.activations.fusing import can_fuse
from gated_ray.activations.loading import load_model
from gated_ray.activations.measuring import Measurer
from gated_ray.activations.partial import part_tables, schema_of
from gated_ray.activations.running import whole_model
from gated_ray.activations.signs import canonical_signs
from gated_ray.activations.tables import merged_tables
from gated_ray.analysis import default_device
from gated_ray.architectures.blocks import BlockPlace
from gated_ray.cluster.asking import place_of
from gated_ray.cluster.receipts import Phases, receipt_of
from gated_ray.cluster.shards import PublishingStatistics, ShardWork
from gated_ray.cluster.statistics_plan import CPU_BATCH_TOKENS, DTYPES, GPU_BATCH_TOKENS
from gated_ray.cluster.units import Receipt
from gated_ray.errors import CheckpointError, GatedRayError, UnsupportedError
from gated_ray.settings import ProfileSettings, StoreSettings
from gated_ray.store.keys import ShardKey
from gated_ray.store.objects import open_objects
from gated_ray.store.statistics import commit_shard
from gated_ray.store.statistics_publish import publish_statistics
from gated_ray.store.tokens import read_shard
from gated_ray.vocabulary import counted


@dataclass
class _Running:
    """A model that is kept from shard to shard."""

    digest: str
    measurer: Measurer
    signs: dict[BlockPlace, torch.Tensor]
    context: int | None


class StatisticsWorker:
    """Takes shards one after another; errors come back as receipts, as with `Worker`."""

    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        torch.set_num_threads(threads)
        self._objects = open_objects(store)
        self._profile = profile
        self._device = default_device()
        self._computing = threading.Lock()
        self._running: _Running | None = None
        self._refused: dict[str, GatedRayError] = {}
        """Models that cannot be run, by digest: their other shards need not try."""
        self._notices: list[str] = []
        self._done: dict[str, int] = {}
        """Tokens that are done of each shard in hand."""
        self._versions = {name: version(name) for name in ("gated-ray", "torch", "ray", "transformers")}

    def ping(self) -> None:
        """Answers once the actor can take shards."""

    def progress(self) -> dict[str, int]:
        """Tokens that are done of the shards in hand, by `place_of`."""
        return dict(self._done)

    def measure(self, work: ShardWork) -> Receipt:
        """Run the model over one shard and commit the statistics."""
        try:
            return receipt_of(lambda: self._measure(work), self._take_notices)
        finally:
            self._done.pop(place_of(work), None)

    def publish(self, task: PublishingStatistics) -> Receipt:
        """Merge all shards of one model and publish them."""
        return receipt_of(lambda: self._publish(task), self._take_notices)

    def _take_notices(self) -> tuple[str, ...]:
        told, self._notices = tuple(self._notices), []
        return told

    def _publish(self, task: PublishingStatistics) -> Phases:
        started = time.monotonic()
        publish_statistics(
            self._objects,
            task.partition,
            [shard for shard in task.units if isinstance(shard, ShardKey)],
            task.parts,
            task.model_row,
            schema=schema_of(task.top),
            identity=task.identity,
            merge=lambda parts, tokens: merged_tables(parts, task.top, tokens),
        )
        return {"publishing": time.monotonic() - started}

    def _measure(self, work: ShardWork) -> Phases:
        begun = time.monotonic()
        rows = read_shard(self._objects, work.tokens)
        documents: list[list[int]] = rows["ids"].to_pylist()
        read = time.monotonic()
        with self._computing:
            started = time.monotonic()
            running = self._model(work)
            loaded = time.monotonic()
            context = running.context
            cut = [document[:context] for document in documents]
            told = partial(self._done.__setitem__, place_of(work))
            found = running.measurer.measure(cut, work.tokens.first, told)
            measured = time.monotonic()
        commit_shard(
            self._objects,
            work.partition,
            work.key,
            part_tables(work.parts, found, running.signs, work.statistics.top),
            identity=work.identity,
            counts={
                "documents": sum(map(bool, cut)),
                "tokens": sum(map(len, cut)),
                "cut_documents": sum(len(one) < len(whole) for one, whole in zip(cut, documents, strict=True)),
            },
            seconds=measured - started,
            versions=self._versions,
        )
        return {
            "reading": read - begun + loaded - started,
            "computing": measured - loaded,
            "committing": time.monotonic() - measured,
        }

    def _model(self, work: ShardWork) -> _Running:
        """The shard's model, loaded where it is not the one that is kept."""
        if refused := self._refused.get(work.model.digest):
            raise refused
        if self._running is None or self._running.digest != work.model.digest:
            self._running = None  # its memory is needed for the next
            try:
                self._running = self._load(work)
            except (UnsupportedError, CheckpointError) as error:
                self._refused[work.model.digest] = error
                raise
        return self._running

    def _load(self, work: ShardWork) -> _Running:
        checkpoint, architecture = work.model.unpack()
        ref, settings = checkpoint.reference.text, work.statistics
        gpus = torch.cuda.device_count()
        live = load_model(checkpoint, architecture, DTYPES[settings.dtype], self._device, gpus)
        runner = whole_model(live, self._device, ref)
        formulas = formulas_of(runner, ref)
        if idle := runner.capture.idle:
            self._notices.append(f"{ref}: {', '.join(idle)}: does not run when the model reads text; no tokens there")
        if live.unused:
            self._notices.append(
                f"{ref}: {type(live.model).__name__} leaves out {counted(len(live.unused), 'tensor')} of its layers, such as "
                f"{live.unused[0]}; is the model_type right? The numbers are those of the model without them"
            )
        neurons = sum(block.neurons for block in architecture.blocks)
        most_tokens = settings.batch_tokens or (GPU_BATCH_TOKENS if self._device.type == "cuda" else CPU_BATCH_TOKENS)
        measurer = Measurer(
            runner=runner,
            formulas=formulas,
            top=settings.top,
            most_tokens=most_tokens,
            fused=can_fuse(self._device, work.size * neurons),
            say=self._notices.append,
            ref=ref,
        )
        signs = canonical_signs(live.blocks, self._profile.weights, self._device)
        return _Running(work.model.digest, measurer, signs, live.context)


StatisticsActor = ray.remote(StatisticsWorker)
