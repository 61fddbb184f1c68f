"""A trained network, evaluated as fast as the machine can: engines, and how one of them is chosen."""
