"""What the manual says beside the commands: exit status, environment, files."""

from __future__ import annotations

from ..errors import ExitCode

EXIT_STATUS: dict[ExitCode, str] = {
    ExitCode.ok: "It worked. An empty list is no failure.",
    ExitCode.failed: "It failed, or a check that was asked for did not pass.",
    ExitCode.usage: "The command line is wrong.",
    ExitCode.not_found: "A name stands for nothing.",
    ExitCode.configuration: "mlx.yaml, a stack or a component is wrong; the message has file, line and field.",
    ExitCode.credentials: "A secret is missing, a store cannot be used, or a server refused the credentials.",
    ExitCode.step_failed: "A step of a pipeline raised, or what it returned could not be stored.",
    ExitCode.not_executable: "`mlx exec` could not start the program, as a shell says it.",
    ExitCode.command_not_found: "`mlx exec` did not find the program, as a shell says it.",
    ExitCode.interrupted: "Ctrl-C.",
    ExitCode.broken_pipe: "The reader of the output went away, as in `mlx runs list | head`.",
    ExitCode.terminated: "The process was asked to end (SIGTERM).",
}

ENVIRONMENT: dict[str, str] = {
    "MLX_CONFIG": "The configuration file, instead of the nearest mlx.yaml upward from the working directory.",
    "MLX_STACK": "The stack to use; --stack counts before it, `mlx stack set` and default_stack after it.",
    "MLX_TRACKER": "The tracker whose credentials a child process of a run resolves for itself.",
    "MLX_OUTPUT": "How reading commands print: table, json, yaml or name; --output counts before it.",
    "MLX_NO_INPUT": "Never ask anything; so does CI. What needs an answer then fails, or takes --yes.",
    "MLX_PROGRESS": "0 shows a run as a line an event on a terminal, too, and not as a table that moves.",
    "MLX_WORKER_START": "How --workers starts processes: fork, with all that is imported, or spawn; else as is safe.",
    "MLX_GRAPH": "0 keeps the graph of a run out of the tracker's artifacts.",
    "MLX_HOME": "The folder of this user's own configuration, of its data in data/, and of copies in cache/.",
    "MLX_SECRETS_BACKEND": "Where secrets are kept: auto, os, file, env, or the class of a keyring as module.Class.",
    "MLX_SECRET_<NAME>__<KEY>": "The value of one key of a secret, read before every store; for CI.",
    "MLX_SECRETS_DIR": "A folder with a file <name>/<key> a value, as container platforms mount secrets.",
    "MLX_TRUSTED_PROVIDERS": "Fingerprints of the secret_providers of mlx.yaml that may be asked; for CI.",
    "MLX_KEYRING_PASSWORD_FILE": "A file, mode 600, with the password of the encrypted file of secrets.",
    "MLX_KEYRING_KEY_FILE": "A file, mode 600, with the key of the encrypted file of secrets.",
    "MLX_KEYRING_PASSWORD": "The password of the encrypted file of secrets; other processes of the user can read it.",
    "MLX_KEYRING_TIMEOUT": "How many seconds the keyring of the system may take to answer.",
    "GITHUB_ACTIONS": "Set by GitHub: runs are grouped in the log, errors annotated, and a summary written.",
    "NO_COLOR": "No colours, whatever its value.",
    "FORCE_COLOR": "Colours also on a pipe.",
    "XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_CACHE_HOME": "Where this user's configuration, data and copies are on Linux.",
    "MLFLOW_*, DATABRICKS_*": "Read by MLflow; in a run, those that say where and as whom come from the tracker.",
}
# Variables that mlx sets for processes of its own, and that nobody else should.
INTERNAL = frozenset({"MLX_JOB", "MLX_STATE", "MLX_WORKER"})

FILES: dict[str, str] = {
    "mlx.yaml": "Stacks and components, without secrets; searched upward from the working directory. See mlx.yaml(5).",
    ".mlx/": "Beside mlx.yaml: the state of this checkout, ignored by git. Deleting it loses what is in it: no configuration, no secret.",
    ".mlx/active_stack": "What `mlx stack set` chose here.",
    ".mlx/history.db": "The runs, an SQLite database.",
    ".mlx/artifacts/": "What steps returned, where the artifact store is the local one.",
    ".mlx/logs/": "What the steps of each run printed.",
    ".mlx/sources/": "Code of runs that git does not have, for `mlx runs rerun`.",
    ".mlx/mlflow/": "The MLflow store of a tracker without tracking_uri: its runs, and the models that are registered there.",
    ".mlx/servers/": "What `mlx tracker deploy` made, the data of its servers included.",
    ".mlx/deployments/": "The models that are served on this machine.",
    ".mlx/names/": "Names for completion.",
    "$XDG_CONFIG_HOME/mlx/mlx.yaml": "The user's own configuration, used where no mlx.yaml is found upward.",
    "$XDG_DATA_HOME/mlx/": "The state that belongs to it.",
    "$XDG_DATA_HOME/mlx/secrets.json": "Names of secrets and of their keys, never a value.",
    "$XDG_DATA_HOME/mlx/trusted-providers.json": "Fingerprints of the secret_providers that `mlx secret trust` let be asked.",
    "$XDG_CACHE_HOME/mlx/": "Copies of what artifact stores far away hold, up to their cache_size.",
    "$XDG_DATA_HOME/mlx/crashes/": "Tracebacks of unexpected errors, the secrets in them masked.",
}
