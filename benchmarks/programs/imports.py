"""python -c "import asyncio, json, re", one process after the other"""

from __future__ import annotations

import subprocess
import sys

SIZE, TINY = 10, 1        # processes; the runner counts their CPU time with ours
CHILDREN = True           # so there is no second turn, and no statistics


def main(folder: str, size: int) -> str:
    command = [sys.executable, "-c", "import asyncio, json, re; print(len(re.__all__))"]
    return "".join(subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(size))
