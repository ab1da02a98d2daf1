"""Answers `import zenml` in a child process of a run, which has its parent's import path and not its finders."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec

from mlxkit.compat.modules import spec_of
from mlxkit.pipelines.guests import serve_guests

serve_guests()
sys.modules[__name__] = module_from_spec(spec_of(__name__))
