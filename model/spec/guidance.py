"""Guidance scales of single labels, checked against a schema."""

from __future__ import annotations

from model.spec.config import GuidanceScale
from model.spec.errors import GuidanceError
from model.spec.schema import Schema


def check_guidance(scale: GuidanceScale, schema: Schema) -> None:
    """Raise GuidanceError for a label, or a category of one, that `schema` does not have."""
    known = {label.name: label.categories for label in schema.labels}
    for name, own in scale.labels.items():
        if name not in known:
            raise GuidanceError(f"unknown label '{name}'; the model's labels: {', '.join(known) or 'none'}")
        for category in own if isinstance(own, dict) else ():
            if category not in known[name]:
                categories = ", ".join(known[name])
                raise GuidanceError(f"label '{name}': unknown category '{category}'; known: {categories}")
