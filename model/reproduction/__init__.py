"""The paper's experiments on data anyone may have: arms, their runs, and what is written of them."""
