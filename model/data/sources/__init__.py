"""Public ICU data sets become tables of stays: each source's own raw files, read out of core (needs DuckDB)."""
