"""Twenty thousand units that cost nothing: what the driver, the planner and the store take for them. Takes minutes.

400 models of 50 units, swept into a folder by workers that commit without measuring; then planned again in the states that a
sweep may be resumed from, from the folder and over S3.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.driving import Driven, drive
from tests.benchmarks.measure import Ratio
from tests.checkpoints.trivial import LAYERS, trivial_checkpoints
from tests.servers.s3 import nanio_server

_MODELS = 400
_MANY_MODELS = 2_000
_EARLY = 2_000
"""Units done when the driver's memory is first looked at."""
_MOST_MS = 5.0
_MOST_GROWTH_MB = 50.0
_MOST_RESUME_SECONDS = 60.0
_S3_MODELS = 20
