"""The site that the page is tested on: a store of every kind of model, some with activations, written as ``jobs.report`` does."""

from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pyarrow as pa

from gated_ray.reports.atlas import Atlas, write_atlas
from gated_ray.reports.atlas import atlas as atlas_module
from gated_ray.reports.published_tables import class_counts
from gated_ray.settings import ReportSettings, StoreSettings
from gated_ray.store.catalogue import Store, open_store
from gated_ray.store.keys import encode_name
from gated_ray.store.objects import open_objects
from tests.reports.atlas.made_up import REVISION, MadeUpBlock, store_model, thinned
from tests.reports.atlas.made_up_activity import ActiveStore, Tables, activity_tables

LLAMA = class_counts("meta-llama/Llama-3.2-1B")
PLAIN_COUNTS = class_counts("EleutherAI/pythia-14m")
NOTHING = dict.fromkeys(LLAMA[0], 0)

DENSE, MOE, PLAIN, STACKS, NULL = "org/dense", "org/moe", "org/plain", "org/t5", "org/null"
HOSTILE = '<img src=x onerror="boom()">\u202e\'&</script>\u2028'
HOSTILE_TEXT = (
    "<script>boom()</script> <img src=x onerror=boom()> \u202egnp.exe\u202c \x00\x07\x1b[31m \u2028\u2029 ' \" ` ${boom()} "
    f"</script><!-- {'x' * 10_000} -->"
)

TEXTS = [
    *(
        f"Document {n}: the gate opens where the stream says so, and {n} other words follow it in a row."
        for n in range(30)
    ),
    HOSTILE_TEXT,
    None,
]
"""The last is given as ids only."""

BLOCKS: dict[str, list[MadeUpBlock]] = {
    DENSE: [MadeUpBlock(layer, thinned(LLAMA[layer], 12), without=2, middle=0.05 - 0.01 * layer) for layer in range(8)],
    MOE: [
        MadeUpBlock(0, thinned(LLAMA[0], 12)),
        *(
            block
            for layer in (1, 2, 3)
            for block in (
                *(MadeUpBlock(layer, thinned(LLAMA[3 * layer + e], 80), "expert", e, without=e % 2) for e in range(6)),
                MadeUpBlock(layer, thinned(LLAMA[layer], 12), "shared_expert"),
            )
        ),
    ],
    PLAIN: [MadeUpBlock(layer, PLAIN_COUNTS[layer], without=layer) for layer in range(3)],
    STACKS: [
        MadeUpBlock(layer, thinned(LLAMA[layer], 24), f"{stack}_mlp")
        for stack in ("decoder", "encoder")
        for layer in range(3)
    ],
    NULL: [MadeUpBlock(0, thinned(LLAMA[0], 24)), MadeUpBlock(1, NOTHING, without=40)],
    HOSTILE: [MadeUpBlock(0, thinned(LLAMA[5], 40))],
}


@dataclass(frozen=True)
class Site:
    """A written atlas and the store behind it."""

    page: Path
    store: Store
    atlas: Atlas
    tables: Tables


def address(model: str, *places: object, profile: str = "paper", revision: str = REVISION) -> str:
    """A link, from the model on: ``address(DENSE, 3, "mlp", "-", 17)``."""
    return "/".join(["#", encode_name(model), revision, profile, *map(str, places)])


def make_site(folder: Path) -> Site:
    """A store of `BLOCKS`, one model under two profiles, activations of some; and the atlas of it."""
    objects = open_objects(StoreSettings(url=str(folder / "store")))
    with mock.patch("os.fsync"):
        for name, blocks in BLOCKS.items():
            store_model(objects, name, blocks, d_model=64, experts=6 if name == MOE else None)
        store_model(objects, DENSE, BLOCKS[DENSE][:2], profile="residual", requested_revision="main")
    made = [activity_tables(name, blocks, TEXTS) for name, blocks in _ACTIVE.items()]
    tables = {
        "activations": pa.concat_tables([each["activations"] for each in made]),
        "examples": pa.concat_tables([each["examples"] for each in made]),
        "tokens": made[0]["tokens"],
    }
    return written(folder / "store", folder / "report", tables)


_ACTIVE = {DENSE: BLOCKS[DENSE][:2], MOE: BLOCKS[MOE][1:4], HOSTILE: BLOCKS[HOSTILE]}
"""What activations there are."""


def written(url: Path, out: Path, tables: Tables) -> Site:
    """The atlas of a store that also has these activation tables."""
    settings = ReportSettings(store=StoreSettings(url=str(url)), out=str(out))
    store = open_store(str(url))
    with mock.patch.object(atlas_module, "open_store", return_value=ActiveStore(store, tables)):
        atlas = write_atlas(settings)
    return Site(atlas.page, store, atlas, tables)
