"""The atlas: a static site of all models of a store, which opens from a folder or from any web host."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gated_ray.errors import StoreError
from gated_ray.reports.atlas.activity import Activity, activity_of
from gated_ray.reports.atlas.activity_files import activity_files
from gated_ray.reports.atlas.blocks import Block, blocks_of, chunks_of
from gated_ray.reports.atlas.medians import Medians
from gated_ray.reports.atlas.model_files import expert_file, model_file, overview_row
from gated_ray.reports.atlas.neuron_files import NEURON_COLUMNS, neuron_file
from gated_ray.reports.atlas.palette import palette
from gated_ray.reports.atlas.pieces import NO_PIECES, Pieces, read_pieces
from gated_ray.reports.atlas.site import Site
from gated_ray.reports.failures import reading, writing
from gated_ray.reports.layer_rows import LayerRow, layer_rows
from gated_ray.settings import ReportSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import Partition, encode_name


@dataclass(frozen=True)
class Atlas:
    """What `write_atlas` wrote."""

    page: Path
    """Open this."""
    models: int
    """Models, revisions and profiles."""
    files: int
    bytes: int


def write_atlas(settings: ReportSettings) -> Atlas:
    """Write the atlas of all that the store publishes, whatever its profile, into ``settings.out``.

    ``out/index.html`` is the page; ``out/atlas/`` has its scripts and data. Equal stores give equal bytes. Memory holds the
    neurons of one layer at a time and, where there are activations, the tokens of one dataset.

    Raises:
        InputError: nothing is published, or ``out`` cannot be written.
        StoreError: the store cannot be read, or its tables contradict each other.
    """
    store = open_store(settings.store.url, settings.store.endpoint_url)
    models = store.models().sort_by([(name, "ascending") for name in ("model_name", "model_revision", "profile_name")])
    writer = _Writer(store, settings)
    overview = [writer.write_model(models.slice(row, 1)) for row in range(models.num_rows)]
    with writing(settings.out):
        writer.site.write("overview", {"palette": palette(), "models": overview})
        writer.site.finish()
    return Atlas(writer.site.page, models.num_rows, writer.site.files, writer.site.bytes)


class _Writer:
    """Writes one model after another."""

    def __init__(self, store: Store, settings: ReportSettings) -> None:
        self._store = store
        self._url, self._out = settings.store.url, settings.out
        self.site = Site(Path(settings.out))
        self._pieces: tuple[tuple[str, str], Pieces] = (("", ""), NO_PIECES)

    def write_model(self, model: pa.Table) -> dict[str, Any]:
        """Write all files of a model; returns what the overview says of it."""
        place = [model[name][0].as_py() for name in ("model_name", "model_revision", "profile_name")]
        partition = Partition(*place)
        folder = partition.path
        layers, expert_layers = self._store.layers(*place), self._store.expert_layers(*place)
        rows = layer_rows(layers)
        blocks = [blocks_of(layers, row) for row in rows]
        medians = Medians()
        for row, mine in zip(rows, blocks, strict=True):
            self._write_neurons(place, folder, row, mine, medians)
        activity = [
            self._write_activity(each, f"{folder}/activity/dataset={encode_name(each.dataset)}", rows, blocks)
            for each in activity_of(self._store, *place)
        ]
        with writing(self._out):
            self.site.write(f"{folder}/model", model_file(model, rows, blocks, activity))
            if experts := expert_file(layers, rows):
                self.site.write(f"{folder}/experts", experts)
        return overview_row(model, layers, expert_layers, partition) | {"medians": medians.in_ten_thousandths()}

    def _write_neurons(
        self, place: list[str], folder: str, row: LayerRow, blocks: list[Block], medians: Medians
    ) -> None:
        with reading(self._url, f"the neurons of {place[0]}"):
            neurons = self._store.neurons(*place).to_table(
                columns=NEURON_COLUMNS,
                filter=(pc.field("layer") == row.layer) & (pc.field("component") == row.component),
            )
        if neurons.num_rows != row.neurons:
            raise StoreError(
                f"{self._url}: {place[0]}, layer {row.layer}, {row.component}: {neurons.num_rows:,} neurons where the layers "
                f"table says {row.neurons:,}; run jobs.verify"
            )
        medians.add(neurons)
        for number, chunk in enumerate(chunks_of(blocks)):
            mine = neurons.slice(chunk[0].start, sum(block.neurons for block in chunk))
            with writing(self._out):
                self.site.write(f"{folder}/neurons/{_name(row, number)}", neuron_file(mine, chunk))

    def _write_activity(
        self, activity: Activity, folder: str, rows: list[LayerRow], blocks: list[list[Block]]
    ) -> dict[str, Any]:
        """Write the files of one dataset; returns what the model's file says of it."""
        found = []
        with reading(self._url, f"the activations over {activity.dataset}"):
            pieces = self._pieces_of(activity)
            for index, (row, mine) in enumerate(zip(rows, blocks, strict=True)):
                for chunk_number, chunk in enumerate(chunks_of(mine)):
                    for number, document in activity_files(activity, row, chunk, pieces):
                        with writing(self._out):
                            self.site.write(f"{folder}/{_name(row, chunk_number)}-{number}", document)
                        found.append(index)
        return {
            "dataset": activity.dataset,
            "folder": folder,
            "rows": sorted(set(found)),
            "examples": activity.examples is not None,
            "texts": len(pieces.documents) > 0,
        }

    def _pieces_of(self, activity: Activity) -> Pieces:
        """Those that were asked for last are kept: models that follow often have the same texts and tokenizer."""
        if activity.tokens is None:
            return NO_PIECES
        asked = (activity.dataset, activity.tokenizer)
        if self._pieces[0] != asked:
            self._pieces = (asked, read_pieces(activity.tokens))
        return self._pieces[1]


def _name(row: LayerRow, chunk: int) -> str:
    return f"{row.layer}-{row.component}-{chunk}"
