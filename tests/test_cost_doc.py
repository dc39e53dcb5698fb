"""docs/cluster.md: its generated parts are as the code is, its formulas as a sweep does, its links lead somewhere."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.summary import GEOMETRY, summarise
from gated_ray.cluster.sweep import run_sweep
from gated_ray.cluster.worker import Worker
from gated_ray.settings import ModelsSettings, StoreSettings, SweepSettings
from gated_ray.store.objects import Objects, open_objects
from gated_ray.store.profiles import claim_profile
from gated_ray.store.verify import verify_store
from tests.checkpoints import raw_models
from tests.checkpoints.trivial import trivial_checkpoints
from tests.cluster.planning import make_plan
from tests.cluster.sweeping import QUICK
from tests.cost_doc import (
    PAGE,
    Requests,
    around,
    generated,
    of_new_model,
    of_published_model,
    of_verify,
    stored_bytes,
)
from tests.servers.hub_log import Request
from tests.servers.s3 import S3Server
from tests.servers.s3_proxy import S3Proxy

EXPERT_TABLES = 4


@pytest.fixture
def front(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    with S3Proxy(moto) as proxy:
        yield proxy


def test_the_page_is_as_generated() -> None:
    page = PAGE.read_text()
    assert page == generated(page), "run python -m tests.cost_doc"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target


def test_what_is_quoted_from_the_settings_is_there() -> None:
    for group in ("cluster", "local"):
        for line in (PAGE.parent.parent / "conf" / "cluster" / f"{group}.yaml").read_text().splitlines():
            key = line.partition(":")[0]
            assert line.startswith("#") or f"cluster.{key}" in PAGE.read_text(), key


def test_the_lines_quoted_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in (PAGE.parent.parent / "gated_ray").rglob("*.py"))
    page = PAGE.read_text()
    for words in _QUOTED:
        assert words in page, f"no longer on the page: {words}"
        assert words in code, f"no longer in the code: {words}"


_QUOTED = (
    "starting Ray on this machine ...",
    "still waiting for a worker to start; each needs ",
    "a model needs larger workers: ",
    "a worker was given up, ",
    "the server asks to wait ",
    "architectures.extra=",
    "its worker died (out of memory?)",
    "out of memory",
    "no worker keeps running: ",
    "not done: ",
    "what is done is kept, run the same command again to go on",
    "; try again later",
    "the server is overloaded (",
    "a gated repository that you have no access to; ",
    "set HF_TOKEN or run `hf auth login`",
    "; run again when it is complete",
    ": cannot reach S3: ",
    "; tried again for ",
    "; check the AWS keys and the bucket's policy",
    "no S3 credentials, which public buckets need too; ",
    "; make room, then run the same command again",
    "with other settings: ",
    "give the same settings or another profile.name=",
    "); please report it",
    "no Ray cluster there",
    "not published",
    "cannot be read as ",
    "no publication names this file",
    "lies in no partition",
)
"""Of lines that the page quotes, the pieces that never change."""


def counted(front: S3Proxy) -> Requests:
    """Requests since the last call, by what S3 charges for."""
    counts = Counter(map(_kind, front.log))
    front.clear_log()
    assert not counts.keys() - {"put", "list", "get", "delete"}
    return Requests(**counts)


def _kind(request: Request) -> str:
    if request.method == "GET":
        return "list" if "list-type" in request.query else "get"
    return request.method.lower()


def sweep_of(front: S3Proxy, models: Sequence[Path]) -> SweepSettings:
    bucket = front.server.make_bucket("costs-" + models[0].parent.name.lower().replace("_", "-")[:40])
    store = StoreSettings(url=f"s3://{bucket}/some/prefix", endpoint_url=front.server.endpoint_url)
    refs = [str(model) for model in models]
    return SweepSettings(ModelsSettings(refs=refs), store=store, profile=QUICK)


def sweep(settings: SweepSettings) -> tuple[Objects, tuple[ModelPlan, ...]]:
    """What `run_sweep` asks of the store, by one worker in this process."""
    objects = open_objects(settings.store)
    objects.check_writable()
    claim_profile(objects, settings.profile)
    plan = make_plan(settings, objects)
    worker = Worker(settings.store, settings.profile, threads=1)
    for model in plan.models:
        receipts = [*map(worker.measure, model.remaining), worker.publish(model.publishing)]
        assert [receipt.error for receipt in receipts] == [None] * len(receipts)
    summarise(objects, [model.record() for model in plan.models], plan.failures, 1.0, "text", GEOMETRY)
    return objects, plan.models


def test_requests_are_as_counted(front: S3Proxy, tmp_path: Path) -> None:
    layers = 5
    settings = sweep_of(front, trivial_checkpoints(tmp_path / "models", 2, layers=layers))
    front.clear_log()
    objects, models = sweep(settings)
    assert [len(model.units) for model in models] == [layers, layers]
    assert counted(front) == around(first=True) + of_new_model(layers).times(2)

    assert run_sweep(settings).units_done == 0
    assert counted(front) == around() + of_published_model().times(2)

    assert verify_store(objects).problems == ()
    assert counted(front) == of_verify(2 * layers, 2)


def test_requests_of_a_mixture_of_experts_are_as_counted(front: S3Proxy, tmp_path: Path) -> None:
    settings = sweep_of(front, [raw_models.moe().write(tmp_path / "moe")])
    front.clear_log()
    _, (model,) = sweep(settings)
    assert counted(front) == around(first=True) + of_new_model(len(model.units), EXPERT_TABLES)

    assert run_sweep(settings).units_done == 0
    assert counted(front) == around() + of_published_model(EXPERT_TABLES)


def test_stored_bytes_are_as_counted(front: S3Proxy, tmp_path: Path) -> None:
    """Of a model that is narrow, but has as many neurons in a layer as real ones."""
    neurons = 11_008
    layer = {**raw_models.PRE_NORMS, **raw_models.gated("mlp", neurons)}
    model = raw_models.model_of("llama", layer, intermediate_size=neurons)
    objects, (plan,) = sweep(sweep_of(front, [model.write(tmp_path / "wide")]))
    stored = sum(each.size for each in objects.list(""))
    assert math.isclose(stored, stored_bytes(len(plan.units), plan.neurons), rel_tol=0.1)
