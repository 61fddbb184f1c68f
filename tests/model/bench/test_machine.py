from __future__ import annotations

import pytest
import torch

from model.bench.machine import instruction_sets, kind_of, load_now, measured_machine

XEON = """processor\t: 0
model name\t: Some Xeon
flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile
vmx flags\t: avx512_fp16

processor\t: 1
flags\t\t: fpu
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"


@pytest.mark.parametrize(
    ("text", "known", "kind"),
    [
        (XEON, ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"), "cpu-amx"),
        (ARM, ("asimd", "bf16", "i8mm"), "cpu"),
        ("", (), "cpu"),
    ],
)
def test_the_kind_of_a_machine_follows_from_its_instructions(text: str, known: tuple[str, ...], kind: str) -> None:
    assert instruction_sets(text) == known
    assert kind_of("cpu", known) == kind
    assert kind_of("cuda", known) == "cuda"


def test_this_machine_is_told_with_threads_and_load() -> None:
    found = measured_machine(torch.device("cpu"), load_before=3.5)
    assert found.threads == torch.get_num_threads()
    assert found.load_average[0] == 3.5
    assert found.load_average[1] == pytest.approx(load_now(), abs=5)
    assert found.processor
