"""The audit log: who did what, in files that only grow and in which no change goes unseen."""
