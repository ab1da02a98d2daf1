"""Which value of a metric is the better one, by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from ..errors import UsageError

Direction = Literal["lower", "higher"]

_LOWER_WORDS = (
    "loss error err errors rmse mae mse mape smape msle rmsle medae logloss perplexity ppl wer cer ter fid brier nll "
    "divergence kl deviance crossentropy hinge regret eer latency duration runtime seconds ms"
)
_HIGHER_WORDS = (
    "accuracy acc auc auroc auprc roc f1 fbeta precision recall r2 score map ndcg mrr bleu rouge meteor iou dice reward "
    "return sensitivity specificity kappa mcc gini throughput correlation pearson spearman likelihood ap hits"
)
_LOWER, _HIGHER = frozenset(_LOWER_WORDS.split()), frozenset(_HIGHER_WORDS.split())
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+")


def direction_of(metric: str, *, lower: Sequence[str] = (), higher: Sequence[str] = ()) -> Direction | None:
    """Return whether lower or higher is better; None when the name does not say and nobody else does.

    A word such as `loss` or `accuracy` in the name says it: the last one that is known. `neg` in front of it, as
    scikit-learn writes, turns it round. What is named in `lower` or `higher` is never guessed.
    """
    if metric in lower and metric in higher:
        raise UsageError(
            f"metric {metric!r} cannot be better both ways", hint="name it once, --lower or --higher"
        )
    if metric in lower or metric in higher:
        return "lower" if metric in lower else "higher"
    words = [word.lower() for word in _WORDS.findall(metric.replace("cross_entropy", "crossentropy"))]
    known = next((word for word in reversed(words) if word in _LOWER or word in _HIGHER), None)
    if known is None:
        return None
    is_lower = (known in _LOWER) != bool({"neg", "negative"} & set(words))
    return "lower" if is_lower else "higher"


def best_of(values: Sequence[float | None], direction: Direction | None) -> tuple[int, ...]:
    """Return the positions of the best value; none when there is no choice, or nothing says what is better."""
    found = [value for value in values if value is not None and not math.isnan(value)]
    if direction is None or len(set(found)) < 2:
        return ()
    best = min(found) if direction == "lower" else max(found)
    return tuple(index for index, value in enumerate(values) if value == best)
