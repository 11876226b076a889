"""Lets an erased person come back: someone who signs up anew wants to be known again."""

from collections.abc import Sequence

import pyarrow as pa

from emarsys_pipeline.privacy.erase import Home
from emarsys_pipeline.stages.identifiers import normalise_email, normalise_phone
from emarsys_pipeline.warehouse import load_sql
from emarsys_pipeline.warehouse.tombstones import has_tombstones


def readmit(home: Home, names: Sequence[str]) -> int:
    """Remove the tombstones of phone numbers, e-mail addresses and contact ids.

    What was erased stays erased; what arrives from now on is taken in.

    Returns:
        How many tombstones were removed.
    """
    accounts = [account.name for account in home.settings.accounts]
    wanted: list[tuple[str, str]] = []
    for name in names:
        numbers = {normalise_phone(name, region) for region in (None, *home.regions)}
        wanted += [("phone", number) for number in numbers if number is not None]
        wanted += [("email", address) for address in [normalise_email(name)] if address]
        wanted += [("emarsys", f"{account}\x1f{name}") for account in accounts]
        wanted.append(("platform", name))
    table = pa.table(
        {
            "kind": pa.array([kind for kind, _ in wanted], pa.string()),
            "value": pa.array([value for _, value in wanted], pa.string()),
        }
    )
    with home.warehouse.write() as connection:
        if not has_tombstones(connection):
            return 0
        connection.register("wanted_tombstones", table)
        ((removed,),) = connection.execute(load_sql(__package__, "readmit.sql")).fetchall()
        connection.unregister("wanted_tombstones")
    return int(removed)
