"""`mlx runs`: what was run."""

from __future__ import annotations

from .app import new_app
from .runs_cancel import add_cancel
from .runs_compare import add_comparison
from .runs_delete import add_deletion
from .runs_describe import add_description
from .runs_graph import add_graph
from .runs_list import add_list
from .runs_logs import add_logs
from .runs_rerun import add_rerun
from .runs_tag import add_tags

app = new_app("Look at what was run.")

add_list(app)
add_description(app)
add_logs(app)
add_graph(app)
add_comparison(app)
add_rerun(app)
add_cancel(app)
add_tags(app)
add_deletion(app)
