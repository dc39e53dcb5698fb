"""A watch: one pass, or pass after pass until somebody stops it."""

import sys
import time
import traceback

from gated_ray.cluster.events import emit
from gated_ray.cluster.stopping import stopping
from gated_ray.cluster.units import internal_error
from gated_ray.errors import GatedRayError, StoppedError
from gated_ray.settings import WatchSettings
from gated_ray.watching.passes import Watch


def run_watch(settings: WatchSettings) -> bool:
    """Make one pass, or one every so often; whether nothing failed in it.

    With ``watch.every`` it ends only by a signal: a pass that fails is reported, and the next one comes.

    Raises:
        InputError: the settings name no models, or no usable Hub or file of rules.
        GatedRayError: the one pass that was asked for could not be made.
        StoppedError: by a signal.
    """
    watch = Watch(settings)
    if settings.watch.every is None or settings.dry_run:
        return not watch.make_pass().failed
    while True:
        began = time.monotonic()
        _try(watch, settings)
        with stopping() as stop:
            if stop.wait(max(0.0, began + settings.watch.every_seconds - time.monotonic())):
                raise stop.error("between two passes, with nothing under way")


def _try(watch: Watch, settings: WatchSettings) -> None:
    try:
        watch.make_pass()
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - a watch that stays goes on, whatever nobody foresaw
        message = str(error) if isinstance(error, GatedRayError) else internal_error(error)
        if settings.debug:
            traceback.print_exc()
        if settings.log == "json":
            emit("failed", message=message, model=None, units=0, bytes=0)
        print(f"error: {message}; the next pass comes, watch.every={settings.watch.every}", file=sys.stderr, flush=True)
