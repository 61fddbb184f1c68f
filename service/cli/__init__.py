"""The command line `cdmt`: the composition root, which starts the stack or calls the model directly on files."""
