"""What a worker answers: errors come back as receipts, never as exceptions, so that Ray's own faults stand out."""

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace

import torch

from gated_ray.cluster.failures import kind_of
from gated_ray.cluster.units import Receipt, internal_error
from gated_ray.errors import GatedRayError
from gated_ray.store.units import CorruptUnitsError

_BROKEN_DEVICE: tuple[type[BaseException], ...] = (
    (torch.AcceleratorError,) if hasattr(torch, "AcceleratorError") else ()
)

Phases = dict[str, float]
"""Seconds of work by phase."""


def receipt_of(work: Callable[[], Phases], notices: Callable[[], tuple[str, ...]] = tuple) -> Receipt:
    """Do something and say what came of it, whatever it was.

    Args:
        work: returns the seconds that it took, by phase.
        notices: what the user should know besides, once it is done.
    """
    return replace(_receipt(work), notices=notices())


def _receipt(work: Callable[[], Phases]) -> Receipt:
    try:
        return Receipt(phases=work())
    except CorruptUnitsError as error:
        return Receipt(str(error), "transient", error.units, traceback.format_exc())
    except (MemoryError, torch.OutOfMemoryError):
        return Receipt("out of memory", "transient", traceback=traceback.format_exc())
    except _BROKEN_DEVICE:
        # Every further call on this device fails too, so the process makes room for one that can work.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    except (GatedRayError, OSError) as error:
        return Receipt(str(error), kind_of(error), traceback=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - a bug in one unit must not stop the others
        return Receipt(internal_error(error), "bug", traceback=traceback.format_exc())
