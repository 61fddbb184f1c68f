from __future__ import annotations

from service.contracts.requests import GenerateRequest, Webhook
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.making import add_model
from worker.provenance import cohort_metadata, cohort_provenance


def test_who_is_told_of_a_cohort_is_no_part_of_it(settings: Settings) -> None:
    model = add_model(ArtifactStore(settings.data_dir))
    request = GenerateRequest(model_id="model-1", n_stays=2)
    told = request.model_copy(update={"webhook": Webhook(url="https://hooks.example.org/?token=1")})
    metadata = cohort_metadata(request, model=model, chunk_size=1, engine="reference")
    assert cohort_metadata(told, model=model, chunk_size=1, engine="reference") == metadata
    assert cohort_provenance(told, model=model) == cohort_provenance(request, model=model)
    assert "webhook" not in metadata["cdmt.request"]
    assert metadata["cdmt.engine"] == "reference"
