"""What `asv` runs; see benchmarks/README.md."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # asv makes only this package importable, not what is beside it
