"""The size of a model's weights, where a listing does not tell it."""

from collections.abc import Mapping, Sequence

from gated_ray.cluster.failures import Failure, planning_failure
from gated_ray.errors import GatedRayError
from gated_ray.sources.hub import HubOrigin
from gated_ray.sources.origin import Location
from gated_ray.store.objects import concurrently
from gated_ray.watching.notes import Subject

_SUFFIX = ".safetensors"


def weight_bytes(subjects: Sequence[Subject], endpoint: str) -> Mapping[Subject, int | Failure]:
    """Bytes of each commit's safetensors files, or why they cannot be asked for; by one request to the Hub each."""

    def ask(subject: Subject) -> int | Failure:
        try:
            files = HubOrigin(Location("hub", subject.model, subject.commit, endpoint)).files()
        except GatedRayError as error:
            return planning_failure(str(subject), error)
        return sum(file.size for file in files.values() if file.path.endswith(_SUFFIX))

    return dict(zip(subjects, concurrently(ask, subjects), strict=True))
