"""What a reader must know before reading the figures, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from model.spec.figures import LabelReport

SHIFT = 0.05


def notes_on(
    labels: Sequence[LabelReport],
    imputed: bool,
    n_evaluated: int,
    n_stays: int,
    n_holdout: int | None,
    has_dataset: bool,
) -> tuple[str, ...]:
    """The notes that apply."""
    notes = [note for label in labels if (note := _on_ratio(label))]
    if n_evaluated < n_stays:
        notes.append(f"The figures rest on a sample of {n_evaluated:,} of the {n_stays:,} stays.")
    if n_holdout and n_evaluated < 0.7 * n_holdout:
        notes.append(
            f"The cohort ({n_evaluated:,} stays) is smaller than the set of real stays that it is compared with "
            f"({n_holdout:,}): chance alone makes its distances larger than those of the real stays."
        )
    if not has_dataset:
        notes.append(
            "The dataset of this model is not stored here. Figures that need single real stays are missing; "
            "the others come from the aggregate statistics that the model keeps."
        )
    if imputed:
        notes.append(
            "Missing values of this cohort were filled in. What was measured is therefore not compared, and where "
            "the real stays are at hand they were filled by the same rule."
        )
    return tuple(notes)


def _on_ratio(label: LabelReport) -> str | None:
    total = sum(label.obtained.values())
    if not total or not label.training_shares:
        return None
    told = {category: share for category, share in label.training_shares.items() if share > 0}  # 0: too few to tell
    shifts = {category: label.obtained.get(category, 0) / total - share for category, share in told.items()}
    category = max(shifts, key=shifts.__getitem__, default=None)
    if category is None or shifts[category] <= SHIFT:
        return None
    here, there = label.obtained.get(category, 0) / total, told[category]
    return (
        f"The label {label.name} is {category} in {here:.1%} of these stays, but in {there:.1%} of the training stays. "
        "Stays of different outcome have different values, so part of every distance below is what this ratio asks for."
    )
