"""The model: mixed-type ICU time series in, synthetic stays out. Knows no HTTP, Redis or settings."""
