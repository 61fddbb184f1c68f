"""The console's templates and static files, and how they are rendered; it knows nothing of the API."""
