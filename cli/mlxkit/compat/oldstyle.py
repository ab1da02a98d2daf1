"""ZenML's first way to write pipelines: steps are made, given to the pipeline as arguments, and then it is run.

@pipeline
def training(load, train): train(load())

training(load=load(), train=train(Parameters())).run()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..pipelines.body import running_body
from ..pipelines.context import current_step
from ..pipelines.decorators import STEPS, Step
from ..runs.members import Members
from ..runs.views import RunView
from .decorators import ZenPipeline, ZenStep, decorator


class OldStep(ZenStep):
    """A step of `zenml.steps`: called outside of a run it is made, with parameters, and called in one it runs."""

    _is_own = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args or current_step.get() is not None or running_body() is not None:
            return super().__call__(*args, **kwargs)
        return self.with_options(parameters={**self.parameters, **kwargs})

    def with_options(self, **options: Any) -> ZenStep:
        """Return a copy with other options; the names are those of ZenML's `@step`."""
        made = super().with_options(**options)
        vars(made)["_is_own"] = True
        return made

    def configure(self, **options: Any) -> ZenStep:
        """Change a step that was made, and return it; of the decorated one, which others share, return a copy."""
        made = self.with_options(**options)
        if not self._is_own:
            return made
        STEPS.remove(made)  # it lives on in this one
        vars(self).clear()
        vars(self).update(vars(made))
        return self


class OldPipeline(ZenPipeline):
    """A pipeline of `zenml.pipelines`: given steps it waits for `run()`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(item, Step) for item in (*args, *kwargs.values())):
            return PipelineWithSteps(self, args, kwargs)
        return super().__call__(*args, **kwargs)


class PipelineWithSteps(Members):
    """A pipeline and the steps that it is to be run with."""

    instead: ClassVar[dict[str, str]] = {
        "with_runtime_configuration": "run(run_name=..., config_path=...)",
        "steps": "run() returns the run, with .steps",
    }

    def __init__(self, pipeline: OldPipeline, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._pipeline: ZenPipeline = pipeline
        self._args, self._kwargs = args, kwargs

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._pipeline.name

    def configure(self, **options: Any) -> PipelineWithSteps:
        """Change options of the pipeline, for these steps alone, and return the same."""
        self._pipeline = self._pipeline.with_options(**options)
        return self

    def with_config(self, config_file: str, **options: Any) -> PipelineWithSteps:
        """Give it a configuration file, and return the same."""
        options.pop("overwrite_step_params", None)
        return self.configure(config_path=config_file, **options)

    def run(self, **options: Any) -> RunView:
        """Run the pipeline; the options, for this run alone, are those of ZenML's `run`: `run_name`, `config_path` and so on."""
        options.pop("unlisted", None)
        found: RunView = ZenPipeline.__call__(
            self._pipeline.with_options(**options), *self._args, **self._kwargs
        )
        return found


def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step, as `zenml.steps` does."""
    return decorator(OldStep, "step", function, options)


def pipeline(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a pipeline, as `zenml.pipelines` does."""
    return decorator(OldPipeline, "pipeline", function, options)
