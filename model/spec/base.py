"""The base of every typed object that crosses an edge: immutable, and deaf to unknown fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen value: parsed once at the edge, trusted from there on. A typo in a field's name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)
