"""Takes the README's picture: ``python -m emarsys_pipeline_tests.ui.take_graph_picture``."""

import tempfile
from pathlib import Path

from emarsys_pipeline_tests.defs.dagster_dev import ROOT
from emarsys_pipeline_tests.ui.chromium import take_picture
from emarsys_pipeline_tests.ui.filled_home import filled_home

PICTURE = ROOT / "docs" / "asset_graph.png"
# The whole lineage of the last asset is the whole graph, with its groups open.
GRAPH_PAGE = "/assets/opt_in_pushes?view=lineage&lineageScope=upstream&lineageDepth=5"
# Wide enough that nodes show their status; Dagster leaves it out where they get small.
SIZE = (2300, 1000)


def main() -> None:
    """Fill a home, start Dagster and photograph the graph."""
    PICTURE.parent.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        filled_home(Path(folder), has_failure=False) as home,
    ):
        take_picture(home.dagster.url + GRAPH_PAGE, PICTURE, size=SIZE)


if __name__ == "__main__":
    main()
