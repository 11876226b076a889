"""Where a lake is: its catalogue in PostgreSQL, its Parquet files in a bucket or a folder."""

from dataclasses import dataclass, field

CATALOGUE_SCHEMA = "lake"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """An S3-compatible server and how to sign in to it.

    Attributes:
        endpoint: host and port; empty for Amazon's own of the region.
    """

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    endpoint: str = ""
    region: str = "us-east-1"
    use_ssl: bool = True


@dataclass(frozen=True, slots=True)
class LakeLocation:
    """A DuckLake.

    Attributes:
        database: connection string of the PostgreSQL database, in libpq's form.
        data_path: ``s3://bucket/prefix/``, or a folder that all machines see.
        object_store: for ``s3://``.
        catalogue_schema: the PostgreSQL schema that holds the catalogue.
    """

    database: str = field(repr=False)
    data_path: str
    object_store: ObjectStore | None = None
    catalogue_schema: str = CATALOGUE_SCHEMA


class LakeError(Exception):
    """The lake cannot be reached or used; the message tells what to do and holds no password."""
