"""ZenML's options, artifacts, client and older spellings: what they mean here, and what is refused by name."""

# Annotations are evaluated where they stand here, as in the files that these tests imitate: the steps are local to a test.
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, StepFailedError, UsageError
from mlxkit.pipelines.session import Session

pytestmark = pytest.mark.usefixtures("session")


def notes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]


def test_options_without_effect_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    from zenml import pipeline, step  # type: ignore[import-not-found]
    from zenml.config import DockerSettings, ResourceSettings

    for _ in range(2):

        @step(enable_step_logs=True, settings={"resources": ResourceSettings(cpu_count=8)}, extra=None)
        def one() -> int:
            return 1

        @pipeline(settings={"docker": DockerSettings(requirements=["x"]), "orchestrator.kubeflow": {}})
        def steps() -> None:
            one()

    assert notes(capsys) == [
        "note: step 'one': enable_step_logs has no effect: the output of a step is always kept",
        "note: settings 'docker' have no effect: steps run in this Python, not in a container",
        "note: settings 'orchestrator.kubeflow' have no effect: the local orchestrator has no settings",
    ]
    assert steps().status == "completed"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"step_operator": "k8s"},
            "step 'one': step_operator is not supported by mlx: steps run on this machine",
        ),
        ({"secrets": ["db"]}, "step 'one': secrets is not supported by mlx"),
        ({"cache_policy": "no"}, "cache_policy is not supported by mlx"),
        ({"settings": {"data_validator": {}}}, "unknown settings key 'data_validator'"),
    ],
)
def test_options_that_cannot_be_kept_are_refused(options: dict[str, Any], said: str) -> None:
    from zenml import step

    with pytest.raises((UsageError, ConfigError)) as caught:

        @step(**options)
        def one() -> int:
            return 1

    assert said in caught.value.message


def test_an_option_that_says_nothing_is_no_matter(capsys: pytest.CaptureFixture[str]) -> None:
    from zenml import pipeline, step

    @step(step_operator=None, secrets=[], extra=None)
    def one() -> int:
        return 1

    assert one() == 1
    assert notes(capsys) == []
    with pytest.raises(UsageError, match="schedule is not supported by mlx"):
        pipeline(lambda: None).with_options(schedule="daily")
    with pytest.raises(UsageError, match=r"\.after\(\) is not supported"):
        one.after(one)


def test_settings_of_another_tracker_are_said_to_have_no_effect(capsys: pytest.CaptureFixture[str]) -> None:
    from zenml import step

    step(settings={"experiment_tracker.wandb": {"tags": ["x"]}, "experiment_tracker": {}})(lambda: 1)
    assert notes(capsys) == [
        "note: settings 'experiment_tracker.wandb' have no effect: there is no experiment tracker of flavor 'wandb'"
    ]


def test_a_hook_or_materializer_may_be_the_text_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml import pipeline, step

    Path("zenhooks.py").write_text(
        "from zenml.materializers import BaseMaterializer\ntold = []\ndef fn(error):\n    told.append(str(error))\n"
        "class Own(BaseMaterializer):\n    ASSOCIATED_TYPES = ()\n"
    )
    monkeypatch.syspath_prepend(".")

    @step(on_failure="zenhooks.fn", output_materializers={"output": "zenhooks.Own"})
    def fails() -> int:
        raise ValueError("so it goes")

    @pipeline
    def failing() -> None:
        fails()

    with pytest.raises(StepFailedError):
        failing()
    import zenhooks  # type: ignore[import-not-found]

    assert zenhooks.told == ["so it goes"]
    assert fails.output_materializers == {"output": zenhooks.Own}
    for wrong, said in (("fn", "or the text 'module.name'"), ("zenhooks.nothing", "has no attribute 'nothing'"),
                        ("nosuchmodule.fn", "No module named 'nosuchmodule'")):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            step(on_failure=wrong)(lambda: 1)


def test_retries_hooks_and_other_options_work() -> None:
    from zenml import get_step_context, pipeline, step
    from zenml.config.retry_config import StepRetryConfig

    told: list[str] = []

    @step(retry=StepRetryConfig(max_retries=2, delay=0, backoff=0), on_success=lambda: told.append("own"))
    def flaky() -> int:
        if get_step_context().attempt < 3:
            raise ValueError("again")
        return 1

    @pipeline(on_success=lambda: told.append("pipeline's"))
    def trying() -> None:
        flaky()
        flaky.with_options(on_success=None, enable_cache=False, retry={"max_retries": 2})()

    assert trying().steps["flaky"].record.attempts == 3
    assert told == ["own", "pipeline's"]


def test_older_spellings_name_outputs_and_fill_in_parameters() -> None:
    from zenml.pipelines import pipeline
    from zenml.steps import BaseParameters, Output, step

    class Limits(BaseParameters):  # type: ignore[misc]
        least: int = 4

    @step
    def both() -> Output(low=int, high=int):
        return 1, 9

    @step
    def judge(low: int, high: int, limits: Limits) -> list[bool]:
        return [low > limits.least, high > limits.least]

    @pipeline
    def judging(least: int | None = None) -> None:
        low, high = both()
        if least is None:
            judge(low, high)
        else:
            judge(low, high, limits=Limits(least=least))

    assert judging().steps["judge"].output.load() == [False, True]
    assert judging(least=0).steps["judge"].output.load() == [True, True]


def test_text_of_a_known_format_keeps_its_type() -> None:
    from zenml import load_artifact, pipeline, save_artifact, step
    from zenml.types import HTMLString, MarkdownString

    @step
    def page() -> HTMLString:
        return HTMLString("<b>hi</b>")

    @pipeline
    def pages() -> None:
        page()

    found = pages().steps["page"].output.load()
    assert type(found) is HTMLString
    assert found == "<b>hi</b>"
    save_artifact(MarkdownString("# hi"), "text", tags=["a"], artifact_type=None)
    assert type(load_artifact("text")) is MarkdownString


def test_metadata_and_tags_go_where_they_are_told_or_are_refused() -> None:
    from typing import Annotated

    from zenml import (
        ArtifactConfig,
        Tag,
        add_tags,
        log_artifact_metadata,
        log_metadata,
        log_step_metadata,
        pipeline,
        step,
    )

    refused: list[str] = []

    @step
    def make() -> Annotated[int, ArtifactConfig(name="it", tags=[Tag(name="one")], is_model_artifact=True)]:
        log_metadata({"of": "step"})
        log_step_metadata({"also": 1}, step_name="make")
        log_metadata({"of": "artifact"}, infer_artifact=True)
        log_artifact_metadata({"rows": 3}, artifact_name="it")
        add_tags(tags=["two"], artifact="it")
        for wrong in ({"step_name": "other"}, {"run_id_name_or_prefix": "old"}, {"bogus": 1}):
            try:
                log_metadata({"a": 1}, **wrong)
            except UsageError as error:
                refused.append(error.message)
        return 1

    @pipeline
    def making() -> None:
        make()

    made = making().steps["make"]
    assert made.run_metadata["of"].value == "step"
    assert made.run_metadata["also"].value == 1
    assert dict(made.outputs["it"].run_metadata) == {"of": "artifact", "rows": 3}
    assert made.outputs["it"].tags == ["one", "two"]
    assert refused == [
        "log_metadata: only the running step can be given metadata",
        "log_metadata: a run that is over keeps the metadata that it has",
        "log_metadata(bogus=...) is not supported by mlx",
    ]
    with pytest.raises(UsageError, match=r"ArtifactConfig\(model_name=\.\.\.\) is not supported"):
        ArtifactConfig(model_name="iris")


def test_the_client_answers_in_zenmls_words(session: Session) -> None:
    from zenml import pipeline, step
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker
    from zenml.integrations.mlflow.mlflow_utils import get_tracking_uri

    @step
    def one() -> int:
        return 7

    @pipeline
    def asked() -> None:
        one()

    run = asked()
    client = Client()
    stack = client.active_stack
    assert isinstance(stack.experiment_tracker, MLFlowExperimentTracker)
    assert (stack.experiment_tracker.name, stack.orchestrator.flavor) == ("local", "local")
    assert stack.experiment_tracker.get_tracking_uri() == get_tracking_uri()
    assert get_tracking_uri().startswith("sqlite:////")
    assert Path(stack.artifact_store.path) == session.state_dir / "artifacts"
    assert stack.container_registry is None
    assert client.get_pipeline_run(run.name).status == ExecutionStatus.COMPLETED
    assert [item.id for item in client.list_pipeline_runs(pipeline_name="asked", status="completed")] == [
        run.id
    ]
    assert client.list_pipeline_runs(pipeline_name="asked", status="failed").items == []
    assert client.get_artifact_version("output").load() == 7
    assert [item.load() for item in client.list_artifact_versions(name="output")] == [7]
    assert asked.last_run.id == asked.get_runs()[0].id == run.id
    for name, hint in (
        ("get_model_version", "mlx model describe NAME:VERSION"),
        ("list_stacks", "mlx stack list"),
    ):
        with pytest.raises(AttributeError) as caught:
            getattr(client, name)
        assert f"Client().{name} is not supported by mlx" in str(caught.value)
        assert caught.value.hint == hint  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"list_pipeline_runs\(user=\.\.\.\) is not supported"):
        client.list_pipeline_runs(user="me")


def test_a_secret_is_read_and_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    from zenml.client import Client

    from mlxkit.secrets.masking import mask_text

    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "correct-horse-battery")
    found = Client().get_secret("db")
    assert "correct" not in repr(found)
    assert found.secret_values["password"] == "correct-horse-battery"
    assert "correct-horse-battery" not in mask_text("it is correct-horse-battery")


def test_a_configuration_file_of_zenml_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    from zenml import pipeline, step

    @step
    def add(a: int, b: int = 1) -> int:
        return a + b

    @pipeline
    def adding(a: int = 1) -> None:
        add(a)

    Path("run.yaml").write_text(
        "run_name: sums_{date}\nenable_cache: false\nparameters: {a: 2}\nextra: {x: 1}\ntags: [t]\n"
        "settings: {docker: {parent_image: x}}\nmodel: {name: m, version: null}\n"
        "steps: {add: {parameters: {b: 5}, enable_step_logs: true, settings: {resources: {memory: 1GB}}}}\n"
    )
    run = adding.with_options(config_path="run.yaml")()
    assert run.steps["add"].output.load() == 7
    assert run.name.startswith("sums_20")
    assert run.run_metadata["model"].value == {"name": "m"}
    said = notes(capsys)
    assert len(said) == 4
    assert any("tags have no effect; @pipeline(tags=[...]) has" in line for line in said)
    Path("run.yaml").write_text("steps: {add: {step_operator: k8s}}\n")
    with pytest.raises(UsageError, match=r"steps\.add: step_operator is not supported"):
        adding.with_options(config_path="run.yaml")()
    Path("run.yaml").write_text("schedule: {cron_expression: '* * * * *'}\n")
    with pytest.raises(UsageError, match="schedule is not supported by mlx"):
        adding.with_options(config_path="run.yaml")()


def test_files_are_read_and_written_where_they_are() -> None:
    from zenml.io import fileio
    from zenml.utils import io_utils, yaml_utils

    fileio.makedirs("a/b")
    io_utils.write_file_contents_as_string("a/b/c.txt", "hi")
    assert io_utils.read_file_contents_as_string("a/b/c.txt") == "hi"
    fileio.copy("a/b/c.txt", "a/d.txt")
    with pytest.raises(FileExistsError):
        fileio.copy("a/b/c.txt", "a/d.txt")
    assert fileio.listdir("a") == ["b", "d.txt"]
    assert fileio.glob("a/*.txt") == ["a/d.txt"]
    fileio.rmtree("a/b")
    assert not fileio.exists("a/b")
    yaml_utils.write_yaml("x.yaml", {"b": 1, "a": [2]})
    assert yaml_utils.read_yaml("x.yaml") == {"a": [2], "b": 1}
    with pytest.raises(UsageError, match="local paths here, not s3://"):
        fileio.open("s3://bucket/x")


def test_a_logger_is_heard_unless_the_program_has_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zenml.logger import get_logger

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logger = get_logger("some.module")
    assert get_logger("some.module").handlers == logger.handlers
    logger.info("loud")
    logger.debug("quiet")
    assert capsys.readouterr().err == "loud\n"
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    logger.info("left to the program")
    assert capsys.readouterr().err == ""


def test_an_external_artifact_is_its_value() -> None:
    from zenml import ExternalArtifact, save_artifact

    assert ExternalArtifact([1, 2]) == [1, 2]
    save_artifact(5, "five")
    assert ExternalArtifact(name="five") == 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("experiment-tracker", "list", "-o", "name"), 0, "local"),
        (("model-registry", "models", "list", "-o", "json"), 0, "this is `mlx model list`"),
        (("model-registry", "models", "update-version", "m", "-v", "1"), 2, "mlx model promote NAME:VERSION"),
        (("model-deployer", "models", "list", "-o", "json"), 0, "this is `mlx deployment list`"),
        (("model-deployer", "models", "get-url", "x"), 3, "no deployment named 'x'"),
        (("pipeline", "runs", "list"), 0, "this is `mlx runs list`"),
        (("pipeline", "runs", "stop", "x"), 2, "mlx has no 'pipeline runs stop'"),
        (("pipeline", "run", "steps.missing"), 3, "no file 'steps.missing'"),
    ],
)
def test_zenmls_commands_do_the_same_or_point(
    mlx: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    result = mlx(*words)
    assert result.code == code, result.stderr
    assert said in result.stdout + result.stderr


def test_a_pipeline_is_run_by_its_dotted_name(mlx: Callable[..., Any]) -> None:
    Path("flows").mkdir()
    Path("flows/one.py").write_text(
        "from zenml import pipeline, step\n@step\ndef a() -> int:\n    return 1\n@pipeline\ndef p():\n    a()\n"
    )
    result = mlx("pipeline", "run", "flows.one.p")
    assert result.code == 0, result.stderr
    assert "this is `mlx run flows/one.py:p`" in result.stderr
    assert "step a done" in result.stderr
