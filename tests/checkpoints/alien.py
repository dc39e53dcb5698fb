"""Checkpoints that must be refused though their files are sound: each lies, lacks something, or is another thing altogether.

`ALIEN` holds for each a builder that writes the folder and a pattern that the one line of the refusal must contain.
"""

from tests.checkpoints.alien_case import Alien
from tests.checkpoints.alien_configs import CONFIGS
from tests.checkpoints.alien_experts import EXPERTS
from tests.checkpoints.alien_folders import FOLDERS
from tests.checkpoints.alien_layers import LAYERS
from tests.checkpoints.alien_norms import NORMS
from tests.checkpoints.alien_quantized import QUANTIZED
from tests.checkpoints.alien_tensors import TENSORS
from tests.checkpoints.alien_types import TYPES

PARTS = (TENSORS, NORMS, LAYERS, EXPERTS, CONFIGS, QUANTIZED, TYPES, FOLDERS)
ALIEN: dict[str, Alien] = {name: each for part in PARTS for name, each in part.items()}
