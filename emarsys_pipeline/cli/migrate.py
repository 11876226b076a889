"""``emarsys-pipeline migrate``: the deploy step of what is stored."""

from emarsys_pipeline import storage
from emarsys_pipeline.cli.answers import tell_json, tell_line
from emarsys_pipeline.cli.options import AsJson, Config
from emarsys_pipeline.cli.terminal import working
from emarsys_pipeline.settings import load_settings


def migrate(*, config: Config = None, as_json: AsJson = False) -> None:
    """Make or update the tables of everything that is stored; again, it does nothing.

    One machine does it by itself. Several machines that share a lake need it once before their
    first start and once with each new version: it makes the catalogue, the inbox and the tables of
    rate limits in PostgreSQL, which workers never do.

    Example: **emarsys-pipeline migrate --config shop.yaml**
    """
    settings = load_settings(config)
    with working("bringing what is stored up to date"):
        storage.deploy(settings)
    stored = storage.open_warehouse(settings).published_name
    if as_json:
        tell_json({"stored": stored})
        return
    tell_line(f"up to date: {stored}")
