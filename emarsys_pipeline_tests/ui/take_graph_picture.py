"""Takes the README's picture: ``python -m emarsys_pipeline_tests.ui.take_graph_picture``."""

import tempfile
from pathlib import Path

from emarsys_pipeline_tests.defs.dagster_dev import ROOT
from emarsys_pipeline_tests.ui.chromium import take_picture
from emarsys_pipeline_tests.ui.filled_home import filled_home

PICTURE = ROOT / "docs" / "asset_graph.png"
# Everything that the analysts' history of consent is made from, with its groups open.
GRAPH_PAGE = "/assets/analytics/consent_history?view=lineage&lineageScope=upstream&lineageDepth=6"


def main() -> None:
    """Fill a home, start Dagster and photograph the graph."""
    PICTURE.parent.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        filled_home(Path(folder), has_failure=False) as home,
    ):
        take_picture(home.dagster.url + GRAPH_PAGE, PICTURE, size=(1800, 860))


if __name__ == "__main__":
    main()
