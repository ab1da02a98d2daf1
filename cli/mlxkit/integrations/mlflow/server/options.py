"""The `-x key=value` options of `mlx tracker deploy`: which there are, for which provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ....errors import UsageError, did_you_mean
from ....stacks.servers import Provider

_EVERY: tuple[Provider, ...] = ("local", "docker", "kubernetes")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Option(NamedTuple):
    """One option and what it means."""

    name: str
    providers: tuple[Provider, ...]
    help: str


OPTIONS = (
    Option("port", _EVERY, "port to listen on; of kubernetes, the one to forward to it"),
    Option("host", ("local",), "address to listen on; loopback without it"),
    Option("allowed_hosts", _EVERY, "further host names that clients use, by comma"),
    Option("artifacts", _EVERY, "folder or URL (s3://, gs://, ...) that artifacts go to"),
    Option("mlflow_bucket", _EVERY, "the same as artifacts"),
    Option("backend", ("local",), "sqlite, sqlite:///PATH or postgresql://<<secret.user>>:...@HOST/DB"),
    Option("tls", ("local",), "self-signed, or CERT,KEY"),
    Option("insecure", ("local",), "true: listen beyond loopback without TLS"),
    Option("folder", ("docker", "kubernetes"), "folder to write to; mlflow-NAME without it"),
    Option("image", ("docker", "kubernetes"), "name of the image that the Dockerfile makes"),
    Option("namespace", ("kubernetes",), "namespace of the objects"),
    Option("storage", ("kubernetes",), "size of each volume, such as 10Gi"),
)


def check_options(provider: Provider, given: Mapping[str, str]) -> dict[str, str]:
    """Return the options with `mlflow_bucket` read as `artifacts`, or refuse what the provider does not have."""
    known = {option.name for option in OPTIONS if provider in option.providers}
    found: dict[str, str] = {}
    for written, value in given.items():
        key = written.replace("-", "_")
        if key not in known:
            raise UsageError(
                f"--provider {provider} has no option {key!r}{did_you_mean(key, known)}; "
                f"there are {', '.join(sorted(known))}",
                hint="mlx tracker deploy --help",
            )
        if not value.strip():
            raise UsageError(f"-x {key}: the value is empty")
        key = "artifacts" if key == "mlflow_bucket" else key
        if key in found:
            raise UsageError("-x artifacts and -x mlflow_bucket mean the same: leave one of them out")
        found[key] = value.strip()
    return found


def truth(key: str, value: str) -> bool:
    """Read a yes or no."""
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise UsageError(f"-x {key}={value}: it is true or false")


def port_number(value: str) -> int:
    """Read a port from 1 to 65535."""
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise UsageError(f"-x port={value}: a port is a number from 1 to 65535")
    return int(value)
