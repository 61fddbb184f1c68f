"""Measure a bundled model anew, after the evaluation has changed: refresh_bundled.py ID TABLE [quick|full] [STAYS].

TABLE is the table that it was trained on, split as then. Its report and what it remembers of the real stays are
replaced, and its record's figures; the weights stay as they are.
"""

import sys
from pathlib import Path
from typing import Literal

from model.compute import Compute
from model.data.split import split
from model.spec.report import EvaluationOptions
from service.bundled import BUNDLED
from service.contracts.storage import file_sha256, manifest, write_record
from worker.models import read_model
from worker.real import read_stays
from worker.report import report_on_model, write_reference, write_report


def main(model_id: str, table: Path, detail: Literal["quick", "full"], n_stays: int) -> None:
    """Draw a cohort, evaluate it, and write what came out beside the weights."""
    folder = BUNDLED / model_id
    stored = read_model(folder, Compute(device="cpu"))
    record = stored.record
    stays = read_stays(table, record.table_schema).stays
    made = report_on_model(
        stored.model,
        split(stays, holdout_fraction=record.holdout_fraction, seed=record.seed),
        name=record.name,
        data_sha256=file_sha256(table),
        options=EvaluationOptions(seed=record.seed, detail=detail),
        n_stays=n_stays,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    write_report(made.report, folder)
    write_reference(made.reference, folder)
    files = {name: entry for name, entry in manifest(folder).items() if name in record.files}
    write_record(folder, record.model_copy(update={"files": files, "figures": made.figures}))
    print(made.report.privacy.reason)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "full" if "full" in sys.argv[3:] else "quick", int(sys.argv[-1]))
