"""The error family. ``str(error)`` is the one line a user reads: which model or file, why, what to do.

The class says who can act on it, so that the driver knows what to do next:

* `InputError`: what was asked for cannot be had (a reference, a checkpoint, a setting). Never retried; the other models go on.
* `StoreError`: the place for the results cannot be used. Nothing can go on, so the whole job stops.
* `TransientError`: the network or a service faltered. Retried with backoff.
* `CorruptionError`: a stored object is not what its manifest says. The unit that wrote it is done again.
* `StoppedError`: the user or the machine's keeper asked the job to stop. The same command goes on later.
"""


class GatedRayError(Exception):
    """Base of every error that gated-ray raises on purpose."""


class InputError(GatedRayError):
    """The user asked for something that cannot be had: a wrong setting, reference or file."""


class ReferenceNotFoundError(InputError):
    """No such repository, revision, folder or bucket prefix."""


class AccessError(InputError):
    """The reference exists (or may exist) but these credentials do not open it."""


class CheckpointError(InputError):
    """The checkpoint contradicts itself: missing shards or tensors, malformed headers, shapes that disagree."""


class UnsupportedError(InputError):
    """The checkpoint is sound but not one whose neurons we know how to read; the message names the feature."""


class StoreError(GatedRayError):
    """The store cannot be written or read, or it holds results that contradict this job's settings."""


class TransientError(GatedRayError):
    """A service or the network failed in a way that may pass."""


class StoppedError(GatedRayError):
    """A signal asked the job to stop; what is done is kept."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class CorruptionError(GatedRayError):
    """A stored object does not match the digest or size in its manifest."""
