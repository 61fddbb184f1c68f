"""The gateway: a REST API over the queue and the artifact store. Nothing in this package imports torch."""
