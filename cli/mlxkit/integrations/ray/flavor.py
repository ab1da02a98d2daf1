"""The Ray orchestrator, described, with the rules for its attributes; Ray is not imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...stacks.addresses import is_secret
from ...stacks.attributes import InvalidAttributeError
from ...stacks.flavors import Attribute, Flavor

ORCHESTRATOR = Flavor(
    kind="orchestrator",
    name="ray",
    attributes=(
        Attribute(
            "address",
            "str",
            "The cluster: auto (one on this machine), HOST:PORT (from inside of its network) or ray://HOST:PORT "
            "(from outside). Without it: a cluster of this machine, started for each run and stopped after it.",
        ),
        Attribute(
            "auth_token",
            "str",
            "The cluster's token, for one that was started with RAY_AUTH_MODE=token.",
            secret=True,
        ),
        Attribute(
            "dashboard",
            "str",
            "Address of the dashboard, which takes detached runs. Without it: port 8265 of the address.",
        ),
        Attribute("namespace", "str", "Ray namespace to work in. Without it: one of the run's own."),
        Attribute(
            "ship",
            "str",
            "What of the project travels: code (the user's modules that steps reach), or project (the folder of "
            "mlx.yaml, and steps run in a copy of it).",
            default="code",
        ),
        Attribute(
            "pip",
            "str",
            "Distributions that the workers install before the first step: names with commas between them, or a "
            "requirements file, beside mlx.yaml where it is relative.",
        ),
        Attribute(
            "env_vars",
            "map",
            "Variables for the workers, as a JSON object; no secrets, as a cluster shows them to all who look.",
        ),
        Attribute(
            "losses",
            "int",
            "How often a step is given to another worker when its worker or node died, whatever its retries are.",
            default=2,
        ),
        Attribute("cpus", "int", "Processors of a cluster that is started for a run. Without it: all."),
        Attribute("gpus", "int", "GPUs of a cluster that is started for a run. Without it: what Ray finds."),
    ),
    implementation="mlxkit.integrations.ray.orchestrator:RayOrchestrator",
    summary="Steps on a Ray cluster, or on one that is started for the run.",
    extra="ray",
    validator="mlxkit.integrations.ray.flavor:validate",
)

SHIPPED = ("code", "project")
_NEAR = re.compile(r"auto|(?:ray://)?[^\s/:@]+(?::\d{1,5})?|(?:ray://)?\[[0-9a-fA-F:]+\](?::\d{1,5})?")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def validate(name: str, attributes: Mapping[str, Any], *, anonymous: bool) -> list[str]:  # noqa: ARG001  as all are called
    """Apply the rules between the attributes of a Ray orchestrator; references are not looked into."""
    address, ship = attributes.get("address"), attributes.get("ship", "code")
    if address is not None and "<<" not in address:
        check_address(address)
    if ship not in SHIPPED:
        raise InvalidAttributeError("ship", f"{ship!r} is not one of {', '.join(SHIPPED)}")
    variables = attributes.get("env_vars") or {}
    for key, value in variables.items() if isinstance(variables, Mapping) else [("it", variables)]:
        _check_variable(key, value)
    if _is_below(attributes.get("losses"), 0):
        raise InvalidAttributeError("losses", "is less than 0")
    if address is None and attributes.get("auth_token"):
        raise InvalidAttributeError(
            "auth_token", "is for a cluster that stands: one started for a run gets a token of its own"
        )
    for key in ("cpus", "gpus"):
        if key in attributes and address is not None:
            raise InvalidAttributeError(key, "is for a cluster that is started for a run: leave address out")
        if _is_below(attributes.get(key), 1 if key == "cpus" else 0):
            raise InvalidAttributeError(key, f"{attributes[key]} is too few")
    return []


def _is_below(value: Any, least: int) -> bool:
    return isinstance(value, int) and value < least  # else it is a reference


def check_address(address: str) -> None:
    """Refuse what is no address of a Ray cluster; the old name `local` has no meaning here."""
    if address == "local":
        raise InvalidAttributeError(
            "address", "leave it out for a cluster of this machine that is started for each run"
        )
    if not _NEAR.fullmatch(address) or (address != "auto" and ":" not in address.removeprefix("ray://")):
        raise InvalidAttributeError("address", f"{address!r} is none of auto, HOST:PORT, ray://HOST:PORT")


def _check_variable(key: str, value: Any) -> None:
    if not _PLAIN_NAME.fullmatch(key):
        raise InvalidAttributeError("env_vars", f"{key!r} is no name of a variable")
    if is_secret(key, str(value)) or "<<" in str(value):
        raise InvalidAttributeError(
            "env_vars",
            f"{key} looks like a secret, and a cluster shows the variables of its workers to all who look",
            hint="give steps their secrets by name: they are resolved for the one step that uses them",
        )
    if not isinstance(value, (str, int, float, bool)):
        raise InvalidAttributeError("env_vars", f"{key} is neither a text nor a number")
