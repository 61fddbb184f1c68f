"""The paper's tables again, on a table of real stays: arms, their runs, and what is written of them."""
