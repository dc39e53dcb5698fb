"""Watches with the real sweep: many models in pages, and two watchers at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from gated_ray.cluster.result import SweepResult
from gated_ray.settings import StoreSettings, SweepSettings
from gated_ray.watching import passes
from tests.watching.alone import sweep_alone
from tests.watching.watching import World, names, refuse_sweeps

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def test_five_hundred_models_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is understood is swept, the rest is left out or refused; and the next pass asks for nothing but the listing."""
    for number in range(500):
        folder = world.model if number < 3 else world.alien if number < 8 else world.large
        world.add(f"org/model-{number:03d}", folder)
    world.hub.list_in_pages_of(100)
    limit = sum(file.stat().st_size for file in world.model.glob("*.safetensors"))

    summary = world.watch(max_bytes=limit)
    assert names(summary.appeared) == {f"org/model-{number:03d}" for number in range(8)}
    assert names(summary.swept) == {f"org/model-{number:03d}" for number in range(3)}
    assert names(summary.refused) == {f"org/model-{number:03d}" for number in range(3, 8)}
    assert len(summary.left_out["max_bytes"]) == 492
    assert {entry.reason.split(";")[0] for entry in summary.refused} == {"holds no config.json"}
    world.assert_sound(3)

    refuse_sweeps(monkeypatch)
    world.hub.clear_log()
    again = world.watch(max_bytes=limit)
    assert world.requests() == ["/api/models"] * 5
    assert world.hub.weight_bytes_served() == 0
    assert (again.unchanged, again.appeared, again.swept, again.failed) == (3, (), (), ())
    assert again.refused_before == summary.refused
    assert again.left_out == summary.left_out


def test_two_watchers_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both list before either sweeps; they leave the dataset and the notes of one."""
    for number in range(3):
        world.add(f"org/model-{number}")
    world.add("org/alien", world.alien)
    world.add("org/gated", gated=True, token="hf_opens")
    both_listed = Barrier(2)
    run_sweep = passes.run_sweep

    def together(settings: SweepSettings) -> SweepResult:
        both_listed.wait(60)
        return run_sweep(settings)

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(passes, "run_sweep", together)
        one, other = pool.map(lambda _: world.watch(), range(2))
    for summary in (one, other):
        assert names(summary.swept) == {"org/model-0", "org/model-1", "org/model-2"}
        assert names(summary.refused) == {"org/alien"}
        assert names(summary.failed) == {"org/gated"}
    world.assert_sound(3)
    together_left = world.notes(), world.neurons()

    alone = replace(world, store=StoreSettings(url=f"{world.store.url}-alone"))
    monkeypatch.setattr(passes, "run_sweep", sweep_alone)
    alone.watch()
    assert (alone.notes(), alone.neurons()) == together_left
    refuse_sweeps(monkeypatch)
    assert world.watch(gated=False).unchanged == 3
