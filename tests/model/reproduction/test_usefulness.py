import pytest

from model.evaluation.space import no_tick
from model.evaluation.view import view
from model.reproduction.source import Source
from model.reproduction.usefulness import mixture_name, usefulness


@pytest.mark.parametrize("added", [False, True])
def test_too_few_stays_teach_nothing_and_the_figures_say_so(source: Source, added: bool) -> None:
    more = source.train.take(slice(0, 3)) if added else None
    few = view(source.train.take(slice(0, 20)), source.codec).table
    figures = usefulness(few, source, more=more, imputed=False, seed=0, tick=no_tick)
    assert figures["tstr"].value is None
    assert "at least 30 are needed" in (figures["tstr"].reason or "")
    assert ("augmentation" in figures) == added


def test_mixtures_are_named_in_per_cent() -> None:
    assert mixture_name(0.1, 0.9) == "mix_10_90"
    assert mixture_name(1.0, 2.0) == "mix_100_200"
