"""The kernels under Triton's interpreter, in a process of their own; on a GPU they are checked before they are used."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

CHECK = """
import torch
from model.diffusion import gates_triton
from model.diffusion.gates import largest_error
print(largest_error(gates_triton, torch.device("cpu")))
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_they_compute_what_torchs_compute() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert float(run.stdout) < 1e-5
