"""What of this machine's folders is told to others: none, and nothing else is changed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.pipelines.whereabouts import portable


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/app", "."),
        ("/app/data/x.csv", "./data/x.csv"),
        ("read /app/a, '/app/b' and /app.", "read ./a, './b' and .."),
        ("PATH=/bin:/app/bin", "PATH=/bin:./bin"),
        ("file:///app/x", "file://./x"),
        ("sqlite:////app/mlflow.db", "sqlite:///./mlflow.db"),
        ("/home/ada/x", "~/x"),
        ("https://mlflow.example.com/app/#/runs/1", "https://mlflow.example.com/app/#/runs/1"),
        ("s3://bucket/app/model", "s3://bucket/app/model"),
        ("/application/json", "/application/json"),
        ("/app-2/x /app.bak", "/app-2/x /app.bak"),
        ("/home/adam/x", "/home/adam/x"),
        ("/srv/app/x ./app", "/srv/app/x ./app"),
    ],
)
def test_folders_of_this_machine_are_found_as_paths_and_not_amid_other_words(
    text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert portable({"noted": [text, 1]}, Path("/app")) == {"noted": [told, 1]}
