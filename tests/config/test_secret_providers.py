"""`secret_providers` of mlx.yaml: every mistake is told with its line, and commands that change the file keep it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.config.document import read_config
from mlxkit.config.paths import find_project
from mlxkit.config.yamltext import load_yaml
from mlxkit.errors import ConfigError, ExitCode
from tests.conftest import Result

Mlx = Callable[..., Result]
GOOD = """\
version: 1
# where the team keeps its secrets
secret_providers:
  team:
    flavor: vault   # OpenBao, in fact
    address: https://vault.example.com:8200
    path: mlx
    auth: approle
    role_id: 11-22
    secret_id: <<ci.secret_id>>
  cloud: {flavor: aws, region: eu-central-1, prefix: mlx/}
experiment_trackers:
  mine: {flavor: mlflow}
stacks:
  one: {experiment_tracker: mine, artifact_store: local, orchestrator: local}
"""


def problem(section: str) -> str:
    Path("mlx.yaml").write_text(f"version: 1\nsecret_providers:\n{section}\n")
    with pytest.raises(ConfigError) as caught:
        read_config(find_project())
    return caught.value.message


def test_a_good_one_reads() -> None:
    Path("mlx.yaml").write_text(GOOD)
    providers = read_config(find_project()).secret_providers
    assert list(providers) == ["team", "cloud"]
    assert (providers["team"].flavor, providers["team"].line) == ("vault", 4)
    assert providers["cloud"].attributes == {"region": "eu-central-1", "prefix": "mlx/"}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("  t: {flavor: valt}", "mlx.yaml:3: secret_providers.t.flavor: no flavor 'valt' (did you mean 'vault'?)"),
        ("  t: {address: https://v}", "mlx.yaml:3: secret_providers.t.flavor: missing"),
        ("  t:\n    flavor: vault\n    adress: https://v", "mlx.yaml:5: secret_providers.t.adress: unknown attribute (did you mean 'address'?)"),
        ("  t: {flavor: aws, address: https://v}", "secret_providers.t.address: unknown attribute"),
        ("  t: {flavor: vault, mount: 3}", "secret_providers.t.mount: has to be text: put quotes round it"),
        ("  t: {flavor: vault, mount: }", "secret_providers.t.mount: is empty"),
        ("  t: {flavor: vault, path: [a]}", "secret_providers.t.path: has to be text"),
        ("  t: {flavor: vault, address: vault.example.com}", "has to begin with https://"),
        ("  t: {flavor: vault, address: 'ftp://v'}", "has to begin with https://"),
        ("  t: {flavor: vault, address: 'https://v?x=1'}", "has to end with the port"),
        ("  t: {flavor: vault, address: 'https://v:99999'}", "is not an address"),
        ("  t: {flavor: vault, address: 'https://me:S3CR3T@v'}", "a credential does not stand in an address"),
        ("  t: {flavor: vault, token: S3CR3T}", "secret_providers.t.token: a credential does not stand in this file"),
        ("  t: {flavor: vault, auth: aprole}", "unknown (did you mean 'approle'?)"),
        ("  t: {flavor: vault, auth: approle, role_id: r}", "secret_providers.t: auth: approle needs secret_id"),
        ("  t: {flavor: vault, auth: jwt, role: r}", "needs jwt or jwt_file"),
        ("  t: {flavor: vault, auth: kubernetes}", "needs role"),
        ("  t: {flavor: vault, address: 'https://v v'}", "has a blank in it"),
        ("  t: {flavor: vault, address: 'https://" + "ü" * 300 + "'}", "is not an address"),
        ("  t: {flavor: vault, namespace: 'ü'}", "has to be of ASCII characters"),
        ("  t: {flavor: vault, mount: \"x\\e[2K\\rprovider team\"}", "secret_providers.t.mount: holds a character that cannot be shown"),
        ("  t: {flavor: vault, namespace: \"x\\ny\"}", "holds a character that cannot be shown"),
        ("  t: {flavor: vault, ca_file: \"x\\0y\"}", "holds a character that cannot be shown"),
        ("  t: {flavor: vault, role: \"x\\u202ey\"}", "holds a character that cannot be shown"),
        ("  t: {flavor: vault, login_path: ../sys/x}", "secret_providers.t.login_path: has an empty part, or one that leads elsewhere"),
        ("  t: {flavor: vault, mount: a/../b}", "secret_providers.t.mount: has an empty part"),
        ("  t: {flavor: vault, path: a//b}", "secret_providers.t.path: has an empty part"),
        ("  t: {flavor: vault, path: ./a}", "secret_providers.t.path: has an empty part"),
        ("  t: {flavor: vault, mount: /}", "secret_providers.t.mount: has an empty part"),
        ("  t: vault", "secret_providers.t: has to be a map"),
        ("  [t]", "secret_providers: has to be a map"),
        ("  'a b': {flavor: vault}", "the name may hold letters"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_without_a_credential(section: str, said: str) -> None:
    message = problem(section)
    assert message.startswith("mlx.yaml:")
    assert said in message
    assert "S3CR3T" not in message


def test_commands_that_change_the_file_keep_the_section_as_it_is_written(mlx: Mlx) -> None:
    Path("mlx.yaml").write_text(GOOD)
    section = GOOD[GOOD.index("# where") : GOOD.index("experiment_trackers")]
    for argv in (
        ("tracker", "register", "other", "--flavor=mlflow"),
        ("stack", "register", "two", "-e", "other"),
        ("stack", "rename", "one", "first"),
        ("tracker", "delete", "mine", "--yes"),
    ):
        mlx(*argv)
        assert section in Path("mlx.yaml").read_text()
    assert "other" in read_config(find_project()).components["experiment_tracker"]


def test_a_stack_goes_elsewhere_without_the_providers(mlx: Mlx, tmp_path: Path) -> None:
    Path("mlx.yaml").write_text(
        GOOD.replace("{flavor: mlflow}", "{flavor: mlflow, tags: {team: '<<db.name>>'}}")
    )
    exported = mlx("stack", "export", "one")
    assert exported.code == ExitCode.ok, exported.stderr
    assert "secret_providers" not in load_yaml(exported.stdout, what="export")
    (tmp_path / "stack.yaml").write_text(exported.stdout)
    Path("mlx.yaml").write_text("version: 1\nsecret_providers: {mine: {flavor: vault}}\n")
    imported = mlx("stack", "import", str(tmp_path / "stack.yaml"))
    assert imported.code == ExitCode.ok, imported.stderr
    assert list(read_config(find_project()).secret_providers) == ["mine"]


def test_a_provider_in_an_imported_file_is_not_taken_over(mlx: Mlx, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(GOOD)
    Path("mlx.yaml").write_text("version: 1\n")
    assert mlx("stack", "import", str(tmp_path / "stack.yaml")).code == ExitCode.ok
    assert read_config(find_project()).secret_providers == {}


def test_a_reference_of_a_provider_is_a_use_of_the_secret_and_follows_its_name(
    mlx: Mlx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = tmp_path / "password"
    key.write_text("pw")
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(key))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
    Path("mlx.yaml").write_text(GOOD)
    mlx("secret", "create", "ci", "--secret_id=abcd")
    assert "secret_providers.team.secret_id" in mlx("secret", "delete", "ci", "--dry-run").stderr
    renamed = mlx("secret", "rename", "ci", "job", "--yes")
    assert renamed.code == ExitCode.ok, renamed.stderr
    assert "secret_id: <<job.secret_id>>" in Path("mlx.yaml").read_text()
