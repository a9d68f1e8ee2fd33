"""The build side is imported from the checkout."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))    # behind an installed jitpatch
