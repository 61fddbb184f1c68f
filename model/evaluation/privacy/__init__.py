"""Privacy: how close the synthetic stays come to real patients, and the gate's verdict."""

from model.evaluation.privacy.space import PrivacySpace, privacy_space
from model.evaluation.privacy.tasks import PrivacyTask, distance_histograms, privacy_tasks
from model.evaluation.privacy.verdict import privacy_verdict

__all__ = ["PrivacySpace", "PrivacyTask", "distance_histograms", "privacy_space", "privacy_tasks", "privacy_verdict"]
