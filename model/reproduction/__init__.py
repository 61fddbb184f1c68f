"""The paper's experiments on data anyone may have."""
