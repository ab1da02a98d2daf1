"""Ray Jobs: a command that a cluster runs without us. The only place that speaks to the dashboard about jobs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ray.job_submission import JobSubmissionClient

from ...errors import CredentialsError, MlxError, UnreachableError
from ...stacks.addresses import bare_address, is_loopback
from ...stacks.jobs import JobFacts, JobState, JobStatus

PATIENCE = 15.0  # seconds that the dashboard may be silent
_CONNECTING = 5.0
STOP_SECONDS = "20"  # that a job has for ending its run in order before it is killed
_STATUS: Mapping[str, JobStatus] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}
_CODE = re.compile(r"status code (\d{3})")
T = TypeVar("T")


class RayJobs:
    """The jobs of one Ray cluster, asked of its dashboard."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._url = address.rstrip("/")
        self._token = token
        self._made: JobSubmissionClient | None = None

    @property
    def address(self) -> str:
        """The dashboard's address."""
        return bare_address(self._url)

    @property
    def is_here(self) -> bool:
        """Whether it is an address of the loopback."""
        return is_loopback(urlsplit(self._url).hostname or "")

    def check(self) -> None:
        """Ask for the jobs, which takes the credentials too."""
        self._ask(lambda client: client.list_jobs())

    def submit(self, facts: JobFacts) -> None:
        """Upload the package, unless the cluster has it, and start the job.

        Nothing in the runtime environment is a secret: it is logged, shown and inherited by every process of the job.
        """
        self._ask(
            lambda client: client.submit_job(
                submission_id=facts.job,
                entrypoint=facts.command,
                metadata=dict(facts.metadata),
                runtime_env={
                    "working_dir": str(facts.package),
                    "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": STOP_SECONDS},
                },
            )
        )

    def state(self, job: str) -> JobState:
        """Return how a job is; one that is not known has vanished."""
        try:
            info = self._ask(lambda client: client.get_job_info(job))
        except _NoJobError:
            return JobState("vanished", "the cluster does not know the job (any more)")
        name = str(getattr(info.status, "value", info.status))
        return JobState(_STATUS.get(name, "running"), str(info.message or ""))

    def log(self, job: str) -> str:
        """Return the output of the job's own process."""
        return str(self._ask(lambda client: client.get_job_logs(job)))

    def stop(self, job: str) -> None:
        """Ask the cluster to end a job; one that is over, or gone, is no error."""
        try:
            self._ask(lambda client: client.stop_job(job))
        except _NoJobError:
            return

    def _ask(self, question: Callable[[JobSubmissionClient], T]) -> T:
        """Put a question, and say in our words what kept it from an answer."""
        try:
            if self._made is None:
                self._made = _client(self._url, self._token)
            return question(self._made)
        except (ConnectionError, TimeoutError, OSError) as error:  # requests' own errors are OSErrors
            raise UnreachableError(
                f"the Ray dashboard at {self.address} does not answer: {_first_line(error)}",
                hint="is the cluster running, with its dashboard? ray start --head --include-dashboard=true",
            ) from error
        except Exception as error:
            code = _CODE.search(str(error))
            if code is not None and code[1] == "404":
                raise _NoJobError(_first_line(error)) from error
            if type(error).__name__ == "AuthenticationError" or (
                code is not None and code[1] in ("401", "403")
            ):
                raise CredentialsError(
                    f"the Ray dashboard at {self.address} wants a token, or another one than it was given",
                    hint='mlx orchestrator update NAME --auth_token="<<ray.token>>"',
                ) from error
            if isinstance(error, (RuntimeError, ValueError)):
                raise MlxError(f"the Ray dashboard at {self.address}: {_first_line(error)}") from error
            raise


class _NoJobError(MlxError):
    """There is no such job."""


class _Client(JobSubmissionClient):
    """Ray's own client, which would wait without end for a dashboard that does not answer."""

    def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
        options.setdefault("timeout", (_CONNECTING, PATIENCE))
        return super()._do_request(method, endpoint, **options)


def _client(url: str, token: str | None) -> JobSubmissionClient:
    headers = {"Authorization": f"Bearer {token}"} if token else None
    for name in ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)  # what goes on is told in our words
    return _Client(url, headers=headers)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
