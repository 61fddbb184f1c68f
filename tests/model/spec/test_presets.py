from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.presets import GENERATION, TRAINING, filled


def test_what_is_given_goes_before_the_preset_field_by_field() -> None:
    given = {"name": "icu", "training": {"max_steps": 10}}
    preset = {"training": {"max_steps": 48_000, "batch_size": 4096}, "network": {"n_layers": 3}}
    expected = {"name": "icu", "training": {"max_steps": 10, "batch_size": 4096}, "network": {"n_layers": 3}}
    assert filled(given, preset) == expected
    assert given["training"] == {"max_steps": 10}


def test_a_value_in_place_of_an_object_is_left_for_the_parser_to_refuse() -> None:
    assert filled({"training": None}, {"training": {"max_steps": 1}}) == {"training": None}


def test_the_paper_leaves_nothing_open() -> None:
    """Whatever the defaults become, its settings stay what they are."""
    paper = TRAINING["paper"]
    assert set(paper["training"]) >= TrainingConfig.model_fields.keys() - {"max_minutes", "categorical_diffusion"}
    assert set(paper["network"]) == NetworkConfig.model_fields.keys()
    assert GENERATION["paper"]["sampler"].keys() == SamplerConfig.model_fields.keys()  # type: ignore[attr-defined]
    assert TrainingConfig.model_validate(paper["training"]).batch_size == 4096
