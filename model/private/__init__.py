"""Training with differential privacy: docs/differential-privacy.md says what that promises, and what it does not."""
