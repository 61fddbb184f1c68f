"""The language that gateway and worker share: requests, records, where things are stored, settings."""
