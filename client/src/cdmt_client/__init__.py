"""A client of CDMT-EHR, the service that generates synthetic ICU cohorts with the label ratios you ask for.

>>> from cdmt_client import CohortClient
>>> client = CohortClient("http://127.0.0.1:8000")
>>> client.generate(n_stays=1000, label_ratios={"in_hospital_death": "balanced"}).wait().to_pandas()  # doctest: +SKIP
"""

from cdmt_client import errors
from cdmt_client.async_client import AsyncCohortClient
from cdmt_client.async_job import AsyncJob
from cdmt_client.client import CohortClient
from cdmt_client.errors import CohortError, CohortHeld, JobFailed
from cdmt_client.job import Job
from cdmt_client.records import Dataset, Event, Model, Progress, Report
from cdmt_client.retrying import Retries
from cdmt_client.settings import __version__

__all__ = [
    "AsyncCohortClient",
    "AsyncJob",
    "CohortClient",
    "CohortError",
    "CohortHeld",
    "Dataset",
    "Event",
    "Job",
    "JobFailed",
    "Model",
    "Progress",
    "Report",
    "Retries",
    "__version__",
    "errors",
]
