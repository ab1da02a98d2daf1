"""Ray Jobs: a command that a cluster runs without us. The only place that speaks to the dashboard about jobs."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ...errors import CredentialsError, MlxError, UnreachableError
from ...stacks.addresses import bare_address, is_loopback
from ...stacks.jobs import JobFacts, JobState, JobStatus
from .dashboard import dashboard_of
from .engine import engine
from .settings import RaySettings, requirements

PATIENCE = 15.0  # seconds that the dashboard may be silent before it answers a question
_TAKES = (
    60.0  # the same before it has taken a package, started a job or stopped one, which a busy head does late
)
_CONNECTING = 5.0
_STARTING, _NOT_YET = 30.0, "No available agent"
# How long a job has for ending its run in order before it is killed.
_ALWAYS = {"RAY_JOB_STOP_WAIT_TIME_S": "40"}
_STATUS: Mapping[str, JobStatus] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "stopped",
}
_LOUD = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
_CODE = re.compile(r"status code (\d{3})")
T = TypeVar("T")


class RayJobs:
    """The jobs of one Ray cluster, asked of its dashboard. `environment` is what a job installs and has set."""

    def __init__(self, address: str, settings: RaySettings, environment: Mapping[str, Any]) -> None:
        self._url = address.rstrip("/")
        self._settings = settings
        self._environment = environment
        self._made: Any = None

    @classmethod
    def of(cls, settings: RaySettings, root: Path, address: str | None = None) -> RayJobs:
        """Return the jobs of an orchestrator's cluster, or of the one whose dashboard is at an address.

        A token is for the cluster that it was given for: raises MlxError where the orchestrator is at another address now.
        """
        if address is not None and settings.auth_token:
            now = bare_address(dashboard_of(settings).rstrip("/"))
            if now != bare_address(address.rstrip("/")):
                raise MlxError(
                    f"orchestrator {settings.name!r} is at {now} now, and its token is not sent to {bare_address(address)}",
                    hint=f"mlx orchestrator update {settings.name} --dashboard={bare_address(address)}, "
                    "if that is still the cluster",
                )
        environment: dict[str, Any] = {"env_vars": dict(settings.env_vars)}
        if settings.pip:
            environment["pip"] = requirements(settings.pip, root)
        return cls(address or dashboard_of(settings), settings, environment)

    @property
    def address(self) -> str:
        """The dashboard's address."""
        return bare_address(self._url)

    @property
    def is_here(self) -> bool:
        """Whether it is an address of the loopback."""
        return is_loopback(urlsplit(self._url).hostname or "")

    @property
    def warning(self) -> str:
        """That the token can be read on the way, where it can."""
        return self._settings.token_in_clear(self.address) if urlsplit(self._url).scheme == "http" else ""

    def check(self) -> None:
        """Ask for the jobs, which takes the credentials too."""
        self._ask(lambda client: client.list_jobs())

    def submit(self, facts: JobFacts) -> None:
        """Upload the package, unless the cluster has it, and start the job.

        Nothing in the runtime environment is a secret: it is logged, shown and inherited by every process of the job.
        A cluster that has just been started takes no jobs for some seconds.
        """
        deadline = time.monotonic() + _STARTING
        while True:
            try:
                return self._submit(facts)
            except MlxError as error:
                if _NOT_YET not in error.message:
                    raise
                if time.monotonic() > deadline:
                    raise UnreachableError(
                        f"the Ray cluster at {self.address} takes no jobs: the agent of its head does not answer",
                        hint="see dashboard_agent.log there; where port 52365 was taken, as by another cluster: "
                        "ray start --head --dashboard-agent-listen-port=PORT",
                    ) from error
            time.sleep(1)

    def _submit(self, facts: JobFacts) -> None:
        self._ask(
            lambda client: client.submit_job(
                submission_id=facts.job,
                entrypoint=facts.command,
                metadata=dict(facts.metadata),
                runtime_env={
                    **self._environment,
                    "working_dir": str(facts.package),
                    "env_vars": {**self._environment["env_vars"], **_ALWAYS},
                },
            )
        )

    def state(self, job: str) -> JobState:
        """Return how a job is; one that is not known has vanished."""
        try:
            status, message = self._ask(lambda client: _said(client.get_job_info(job)))
        except _NoJobError:
            return JobState("vanished", "the cluster does not know the job (any more)")
        return JobState(_STATUS.get(status, "running"), message)

    def log(self, job: str) -> str:
        """Return the output of the job's own process."""
        return str(self._ask(lambda client: client.get_job_logs(job)))

    def stop(self, job: str) -> None:
        """Ask the cluster to end a job; one that is over, or gone, is no error."""
        try:
            self._ask(lambda client: client.stop_job(job))
        except _NoJobError:
            return

    def _ask(self, question: Callable[[Any], T]) -> T:
        """Put a question, and say in our words what kept it from an answer."""
        try:
            if self._made is None:
                self._made = _client(self._url, self._settings)
            return question(self._made)
        except MlxError:
            raise
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
                    hint=f'mlx orchestrator update {self._settings.name} --auth_token="<<ray.token>>"',
                ) from error
            if isinstance(error, (RuntimeError, ValueError)):
                raise MlxError(f"the Ray dashboard at {self.address}: {_first_line(error)}") from error
            raise MlxError(  # what is no dashboard answers anything
                f"what answers at {self.address} does not speak as a Ray dashboard: "
                f"{type(error).__name__}: {_first_line(error)}",
                hint=f"mlx orchestrator describe {self._settings.name}",
            ) from error


class _NoJobError(MlxError):
    """There is no such job."""


def _client(url: str, settings: RaySettings) -> Any:
    """Make Ray's own client, which would wait without end for a dashboard that does not answer."""
    with engine(settings):
        from ray.job_submission import JobSubmissionClient

        class Client(JobSubmissionClient):
            def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
                options.setdefault("timeout", (_CONNECTING, PATIENCE if method == "GET" else _TAKES))
                return super()._do_request(method, endpoint, **options)

        for name in _LOUD:  # what goes on is told in our words
            logging.getLogger(name).setLevel(logging.ERROR)
        token = settings.auth_token.reveal() if settings.auth_token else None
        return Client(url, headers={"Authorization": f"Bearer {token}"} if token else None)


def _said(info: Any) -> tuple[str, str]:
    return str(getattr(info.status, "value", info.status)), str(info.message or "")


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
