"""Log a model without saying of which flavor it is."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ...errors import UsageError

# What a class, or one of those it is derived from, is defined in, and the flavor that takes it; the first that fits.
_FLAVORS = {
    "mlflow.pyfunc": "pyfunc",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "transformers": "transformers",
    "sentence_transformers": "sentence_transformers",
    "torch": "pytorch",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "sklearn": "sklearn",
    "statsmodels": "statsmodels",
    "prophet": "prophet",
    "pmdarima": "pmdarima",
    "spacy": "spacy",
    "onnx": "onnx",
    "pyspark": "spark",
    "h2o": "h2o",
    "paddle": "paddle",
}


def log_model(model: Any, name: str, options: Mapping[str, Any]) -> Any:
    """Call the `log_model` of the flavor that a model's class belongs to."""
    flavor = flavor_of(model)
    module = import_module(f"mlflow.{flavor}")
    if flavor == "pyfunc":
        return module.log_model(name=name, python_model=model, **options)
    return module.log_model(model, name=name, **options)


def flavor_of(model: Any) -> str:
    """Return the name of MLflow's flavor for a model; a plain function is a pyfunc."""
    for kind in type(model).__mro__:
        for module, flavor in _FLAVORS.items():
            if kind.__module__ == module or kind.__module__.startswith(f"{module}."):
                return flavor
    if callable(model) and hasattr(model, "__code__"):
        return "pyfunc"
    raise UsageError(
        f"MLflow has no flavor for a {type(model).__module__}.{type(model).__qualname__}",
        hint="wrap it in a class derived from mlflow.pyfunc.PythonModel",
    )
