"""Takes locks away that a lake's workers hold, as a network or a database does."""

import psycopg

from emarsys_pipeline.postgresql import APPLICATION, lock_key

_END = """
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and granted and objsubid = 1
    and classid::bigint = %s and objid::bigint = %s
"""


def end_holders(address: str, catalogue_schema: str, name: str) -> int:
    """Let PostgreSQL end the sessions that hold this name; how many it did.

    Args:
        address: of the catalogue's database.
        catalogue_schema: of the lake.
        name: such as ``push-shop_de``.
    """
    key = lock_key(f"{APPLICATION}/{catalogue_schema}/{name}")
    with psycopg.connect(address, autocommit=True) as session:
        return session.execute(_END, (key >> 32 & 0xFFFFFFFF, key & 0xFFFFFFFF)).rowcount
