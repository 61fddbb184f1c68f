"""Make a model that `cdmt train` left in a folder part of the software: bundle_model.py FOLDER ID ATTRIBUTION.

The model goes to model/bundled/ID with its report; ATTRIBUTION, a text file, is put beside it and into its record.
"""

import shutil
import sys
from pathlib import Path

from service.bundled import BUNDLED
from service.contracts.records import ModelRecord
from service.contracts.storage import RECORD, write_record

MAX_BYTES = 5 * 1024 * 1024


def main(folder: Path, model_id: str, attribution: Path) -> None:
    """Copy the model, then give its record the new id, origin and attribution."""
    record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
    if (size := sum(file.bytes for file in record.files.values())) > MAX_BYTES:
        raise SystemExit(f"the model has {size:,} bytes; at most {MAX_BYTES:,} are bundled")
    target = BUNDLED / model_id
    target.mkdir(parents=True)
    for name in record.files:
        shutil.copyfile(folder / name, target / name)
    shutil.copyfile(attribution, target / "NOTICE.md")
    text = attribution.read_text()
    write_record(target, record.model_copy(update={"id": model_id, "origin": "bundled", "attribution": text}))
    print(f"{target}: {size:,} bytes, {record.n_steps:,} steps")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
