"""The worker: takes jobs from the queue and runs the model. The parent process never imports torch; its child does."""
