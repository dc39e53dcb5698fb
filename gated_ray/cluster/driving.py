"""The driver with everything that it needs: models planned in threads, Ray only where something remains to be done."""

import signal
from collections.abc import Callable

import ray

from gated_ray.cluster.asking import Inquiry
from gated_ray.cluster.driver import Driver
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.planner import Planner
from gated_ray.cluster.pool import Pool
from gated_ray.cluster.progress import Progress
from gated_ray.cluster.session import connect, ray_address
from gated_ray.cluster.stopping import Stop
from gated_ray.cluster.work_unit import WEIGHTS, WorkUnit
from gated_ray.errors import GatedRayError, StoppedError
from gated_ray.settings import ActivationsSettings, SweepSettings
from gated_ray.store.objects import Objects
from gated_ray.store.publication import published

_BEFORE_WORK = "before the first unit; run the same command again"


def drive(
    settings: SweepSettings | ActivationsSettings,
    objects: Objects,
    planner: Planner,
    pool: Callable[..., Pool],
    stop: Stop,
    when_planned: Callable[[Driver], None],
    unit: WorkUnit = WEIGHTS,
    inquiry: Inquiry | None = None,
) -> Driver:
    """Plan and run until all is done, cannot be done, or a stop is asked for.

    Args:
        settings: of the job.
        objects: its store.
        planner: of its models.
        pool: makes the workers, as `Pool` does.
        stop: whether the user wants an end.
        when_planned: called once every model is planned.
        unit: of the work's size.
        inquiry: asks workers how far they are, where these can tell.
    """
    progress = Progress(len(planner.order), settings.log, unit)
    address = ray_address(settings.cluster.address)
    ours = False

    def hire(wait: Callable[[], tuple[int, int | None]]) -> Pool:
        nonlocal ours
        try:
            ours = connect(address, progress.say)
        except SystemExit as error:  # Ray's own answer to SIGTERM while it starts
            raise StoppedError(signal.SIGTERM, f"stopped by SIGTERM: {_BEFORE_WORK}") from error
        stop.listen()
        memory, tasks = wait()
        return pool(settings, memory=memory, tasks=tasks)

    def is_intact(plan: ModelPlan) -> bool:
        try:
            return published(objects, plan.partition, plan.publishing.identity) is not None
        except StoppedError:
            raise
        except GatedRayError:  # publishing once more does no harm, and says what is wrong
            return False

    driver = Driver(settings.cluster, planner, hire, is_intact, when_planned, progress, stop, inquiry)
    try:
        driver.run()
    finally:
        planner.close()
        progress.close()
        if ours:
            ray.shutdown()
    return driver
