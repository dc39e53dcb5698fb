"""Workers that wait little and read in small parts."""

import pytest
import ray

from gated_ray.cluster.worker import Worker
from gated_ray.settings import ProfileSettings, StoreSettings
from tests.faults.hurry import hurry


class HurriedWorker(Worker):
    def __init__(self, store: StoreSettings, profile: ProfileSettings, threads: int) -> None:
        hurry(pytest.MonkeyPatch().setattr)
        super().__init__(store, profile, threads)


HurriedActor = ray.remote(HurriedWorker)
