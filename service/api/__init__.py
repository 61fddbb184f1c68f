"""The REST interface: routes, and what stands between them and the outside."""
