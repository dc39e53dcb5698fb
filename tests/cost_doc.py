"""``python -m tests.cost_doc`` writes the generated parts of docs/cluster.md: events, metrics, and what a sweep costs.

Units and bytes come from the planner's own functions on the paper's models at their true shapes, requests to S3 from the
formulas below, which a test counts after, and CPU time from the benchmark as it was last recorded.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from math import ceil, prod
from pathlib import Path
from textwrap import fill

from gated_ray.architectures.finding import find_blocks
from gated_ray.cluster import events, metrics
from gated_ray.cluster.units import PackedUnit, split_into_units
from gated_ray.cluster.work import Need
from gated_ray.settings import ClusterSettings
from gated_ray.sources.checkpoint import Checkpoint
from gated_ray.sources.headers import TensorRecord
from gated_ray.sources.origin import FileVersion, Location
from gated_ray.sources.references import parse_reference
from gated_ray.store import keys
from gated_ray.store.keys import Partition
from tests.benchmarks.results import RESULTS
from tests.checkpoints.paper_models import PAPER_MODELS, PaperModel

PAGE = Path(__file__).parent.parent / "docs" / "cluster.md"

TABLES = 3
"""Published for a model without experts: neurons, layers and models. With experts there are four."""
NEURON_BYTES, UNIT_BYTES, MODEL_BYTES = 50, 33_000, 60_000
"""Stored: of a neuron of a gated block in its unit's table and in the published one; besides, of a unit and of a model."""

_FOLDERS = 2 + len(keys.RAW_TABLES) + len(keys.TABLES)
"""Of a store that `jobs.verify` lists: ``_units/`` and ``tokens/`` besides."""
_WIRE = 1.25e9
"""Bytes a second of 10 Gbit/s."""
_PUT_PRICE, _GET_PRICE, _MONTH_PRICE = 0.005 / 1000, 0.0004 / 1000, 0.023 / 1e9
"""Dollars: a PUT or LIST, a GET, a byte for a month. S3 Standard's list price in us-east-1; a DELETE is free."""
_STORED_AS = {
    "allenai/OLMo-1B-hf": "F32",
    "allenai/OLMo-7B-0424-hf": "F32",
    "google/gemma-2-2b": "F32",
    "google/gemma-2-9b": "F32",
    "meta-llama/Llama-2-7b-hf": "F16",
}
"""On the Hub; all others as BF16."""
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_MANY_MODELS, _MANY_UNITS = 2_000, 50
_COLUMNS = 140


@dataclass(frozen=True)
class Requests:
    """Requests to S3 by method; a listing that a page holds is one."""

    put: int = 0
    list: int = 0
    get: int = 0
    delete: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    def times(self, count: int) -> "Requests":
        return Requests(*(count * each for each in astuple(self)))

    @property
    def dollars(self) -> float:
        return _PUT_PRICE * (self.put + self.list) + _GET_PRICE * self.get


def around(*, first: bool = False) -> Requests:
    """Of a sweep, whatever it does: may it write, and what does the profile mean; the first one of a profile writes that down."""
    return Requests(put=1 + first, get=2, delete=1)


def of_new_model(units: int, tables: int = TABLES) -> Requests:
    """Planning, units, publication and summary of a model of which the store holds nothing, neurons in one part."""
    planning = Requests(get=1, list=3)
    measuring = Requests(put=3, get=1).times(units)
    publishing = Requests(put=tables + 1, list=8, get=5 * units + 1)
    return planning + measuring + publishing + _summary()


def of_published_model(tables: int = TABLES) -> Requests:
    """A rerun's look at a model that is published, and the summary."""
    return Requests(get=1, list=tables + 3) + _summary()


def of_verify(units: int, models: int) -> Requests:
    """``jobs.verify``, of a store of one profile and so many units in all."""
    return Requests(list=_FOLDERS + models, get=units + 2 * models)


def _summary() -> Requests:
    """Of a model in the table at the end."""
    return Requests(get=3)


def stored_bytes(units: int, neurons: int) -> int:
    """About what the store holds of a gated model."""
    return NEURON_BYTES * neurons + UNIT_BYTES * units + MODEL_BYTES


@dataclass(frozen=True)
class Planned:
    """A model as it is planned: `memory` is the bytes that a worker is promised for it."""

    units: int
    neurons: int
    bytes: int
    memory: int


def planned(model: PaperModel, dtype: str) -> Planned:
    """What the planner makes of a model whose tensors are all stored as `dtype`."""
    tensors, size = {}, 0
    file = FileVersion("model.safetensors", model.parameters * _ITEM_BYTES[dtype], "")
    for name, shape in model.tensors():
        begin, size = size, size + prod(shape) * _ITEM_BYTES[dtype]
        tensors[name] = TensorRecord(name, dtype, shape, file, begin, size)
    reference = parse_reference(model.name)
    location = Location("hub", model.name, "0" * 40)
    blocks = find_blocks(Checkpoint(reference, location, model.config, tensors, (file,)))
    partition = Partition(model.name, location.revision, "paper")
    units = split_into_units(partition, location, blocks, ClusterSettings().max_unit_bytes)
    packed = [PackedUnit.pack(unit) for unit in units]
    memory = Need().with_work(packed).memory
    return Planned(len(units), sum(block.neurons for block in blocks), sum(unit.bytes for unit in units), memory)


def costs() -> str:
    """The tables of what a sweep costs."""
    models = {name: planned(model, _STORED_AS.get(name, "BF16")) for name, model in PAPER_MODELS.items()}
    plans = models.values()
    units, neurons, size = (sum(getattr(plan, field) for plan in plans) for field in ("units", "neurons", "bytes"))
    whole = around(first=True)
    for plan in plans:
        whole += of_new_model(plan.units)
    total = Planned(units, neurons, size, max(plan.memory for plan in plans))
    stored = sum(stored_bytes(plan.units, plan.neurons) for plan in plans)
    lines = [
        *_formulas(),
        "",
        "| model | stored as | units | neurons | GB to read | s at 10 Gbit/s | PUT | LIST | GET | MB stored | GB a worker |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, plan in models.items():
        kept = stored_bytes(plan.units, plan.neurons)
        lines.append(_row(name, _STORED_AS.get(name, "BF16"), plan, of_new_model(plan.units), kept))
    lines.append(_row("all twelve, in one sweep", "", total, whole, stored))
    again = around() + of_published_model().times(len(models))
    lines += ["", *_actions(models, whole, again, units), "", *_limits(size, stored, whole)]
    return "\n".join(lines)


def _formulas() -> Iterator[str]:
    """Requests of each thing that a sweep does."""
    yield "| of a sweep | PUT | LIST | GET | DELETE |"
    yield "|---|---|---|---|---|"
    yield _formula("each new model", of_new_model)
    yield _formula("each new model with experts", lambda units: of_new_model(units, TABLES + 1))
    yield _formula("each published model", lambda _: of_published_model())
    yield _formula("each published model with experts", lambda _: of_published_model(TABLES + 1))
    yield _formula("the sweep itself", lambda _: around())
    yield _formula("the sweep itself, the first of its profile", lambda _: around(first=True))


def _formula(what: str, of: Callable[[int], Requests]) -> str:
    """A row of requests that grow evenly with the units."""
    cells = []
    for none, one in zip(astuple(of(0)), astuple(of(1)), strict=True):
        cells.append(f"{one - none}*u* + {none}" if one > none else str(none))
    return f"| {what} | {' | '.join(cells)} |"


def _row(name: str, dtype: str, plan: Planned, requests: Requests, stored: int) -> str:
    cells = [
        name,
        dtype,
        f"{plan.units:,}",
        f"{plan.neurons:,}",
        f"{plan.bytes / 1e9:.2f}",
        f"{plan.bytes / _WIRE:.1f}",
        *(f"{each:,}" for each in (requests.put, requests.list, requests.get)),
        f"{stored / 1e6:.0f}",
        f"{plan.memory / 1e9:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _actions(models: dict[str, Planned], first: Requests, again: Requests, units: int) -> Iterator[str]:
    """What is done with a store, and its requests, for the paper's models and for many."""
    many = _MANY_MODELS * _MANY_UNITS
    new = of_new_model(_MANY_UNITS).times(_MANY_MODELS)
    paper, fleet = "the twelve", f"{_MANY_MODELS:,} models of {_MANY_UNITS} units"
    yield "| what | of | PUT | LIST | GET | DELETE | dollars |"
    yield "|---|---|---|---|---|---|---|"
    for what, of, requests in (
        ("the first sweep", paper, first),
        ("a rerun that finds nothing to do", paper, again),
        ("`jobs.verify`", paper, of_verify(units, len(models))),
        ("the first sweep", fleet, around(first=True) + new),
        ("a rerun that finds nothing to do", fleet, around() + of_published_model().times(_MANY_MODELS)),
        ("`jobs.verify`, listings apart", fleet, Requests(get=of_verify(many, _MANY_MODELS).get)),
    ):
        counts = " | ".join(f"{count:,}" for count in astuple(requests))
        yield f"| {what} | {of} | {counts} | {requests.dollars:.4f} |"


def _limits(size: int, stored: int, first: Requests) -> Iterator[str]:
    """When the wire bounds a sweep and when the CPUs do; what S3 asks for it."""
    cpu, worker = recorded_cpu()
    sixteen = sum(planned(model, "BF16").bytes for model in PAPER_MODELS.values()) / 1e9
    yield fill(
        f"CPU: {cpu} s a GB of 16-bit weights with sampled regions, {worker} of them in the workers, as last recorded in "
        f"[RESULTS.md](../tests/benchmarks/RESULTS.md) (`full_size`: these twelve, all at 16 bits, {sixteen:.1f} GB). So a "
        f"core does {1 / cpu:.2f} GB/s, and 10 Gbit/s keep {ceil(cpu * _WIRE / 1e9)} cores busy: with fewer, the CPUs are the "
        f"limit, with more, the wire. The twelve take {cpu * sixteen / 60:.0f} minutes of one core, and as they lie on the Hub "
        f"{size / _WIRE:.0f} s of the wire.",
        _COLUMNS,
    )
    yield ""
    yield fill(
        f"Dollars: a thousand PUT and LIST ${1000 * _PUT_PRICE:g}, a thousand GET ${1000 * _GET_PRICE:g}, DELETE nothing. That is "
        "the list price of S3 Standard in us-east-1, and an assumption: look yours up. A new model of *u* units then costs "
        f"(3*u* + {of_new_model(0).put + of_new_model(0).list}) x ${_PUT_PRICE:.6f} + (6*u* + {of_new_model(0).get}) x "
        f"${_GET_PRICE:.7f}, all twelve ${first.dollars:.3f}, and to keep them {stored / 1e9:.2f} GB x "
        f"${1e9 * _MONTH_PRICE:g} = ${stored * _MONTH_PRICE:.3f} a month. Machines cost more than that: "
        "[infra/README.md](../infra/README.md#what-it-costs).",
        _COLUMNS,
    )


def recorded_cpu() -> tuple[float, float]:
    """CPU seconds of a sweep for a GB of 16-bit weights, and those of the workers alone, as last recorded."""
    found = re.search(r"^\| full size, CPU \| ([\d.]+) s/GB \|.*\bworker ([\d.]+)", RESULTS.read_text(), re.MULTILINE)
    assert found is not None, f"{RESULTS} has no CPU time of full_size"
    return float(found[1]), float(found[2])


def _tables_of(docstring: str | None) -> str:
    """The tables in a docstring."""
    paragraphs = (docstring or "").split("\n\n")
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.startswith("|"))


_PARTS: dict[str, Callable[[], str]] = {
    "events": lambda: _tables_of(events.__doc__),
    "metrics": lambda: _tables_of(metrics.__doc__),
    "costs": costs,
}


def generated(page: str) -> str:
    """The page with its generated parts as they should be.

    Raises:
        ValueError: it has no place for one of them.
    """
    for name, part in _PARTS.items():
        begin, end = f"<!-- {name}: generated by python -m tests.cost_doc -->\n\n", f"\n\n<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, also_found, after = rest.partition(end)
        if not (found and also_found):
            raise ValueError(f"{PAGE.name} has no place for {name}")
        page = f"{before}{begin}{part()}{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
