import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "pwl_area.py"


@pytest.mark.slow
def test_no_unit_is_larger_than_its_bound():
    done = subprocess.run(
        [sys.executable, "-P", BENCHMARK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loadable search" in done.stdout
