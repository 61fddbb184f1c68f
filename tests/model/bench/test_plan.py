from model.bench.plan import WHOLE, make_plan


def test_a_full_benchmark_has_the_runs_and_steps_that_were_promised() -> None:
    for device in ("cpu", "cuda"):
        plan = make_plan(device=device, quick=False)
        assert plan.runs >= 5
        assert plan.timediff_steps >= 50
    assert make_plan(device="cuda", quick=False).n_stays == WHOLE


def test_a_quick_one_does_less_of_everything_and_runs_can_be_asked_for() -> None:
    full, quick = (make_plan(device="cpu", quick=each) for each in (False, True))
    for name in ("runs", "n_stays", "n_long", "timediff_steps", "training_steps", "n_reported"):
        assert getattr(quick, name) < getattr(full, name), name
    assert make_plan(device="cpu", quick=True, runs=9).runs == 9
