"""Pages of the documentation that are written from the code: the API, the command line, the settings, the schema."""
