"""Where the lake is, as the configuration of resources; secrets by the name of their variable."""

import dagster as dg
from pydantic import Field

from emarsys_pipeline.settings import LakeSettings, LakeStoreSettings, SecretReference


class StoreConnection(dg.Config):
    """An S3-compatible server."""

    endpoint: str = Field(description="Host and port; empty for AWS")
    region: str = Field(description="Region")
    use_ssl: bool = Field(description="Whether it speaks https")
    key_variable: str = Field(description="Environment variable that holds the access key's id")
    secret_variable: str = Field(description="Environment variable that holds the access key")

    @classmethod
    def of(cls, store: LakeStoreSettings) -> "StoreConnection":
        """The same as the settings write it."""
        return cls(
            endpoint=store.endpoint,
            region=store.region,
            use_ssl=store.use_ssl,
            key_variable=store.key_id.variable,
            secret_variable=store.secret.variable,
        )

    @property
    def settings(self) -> LakeStoreSettings:
        """The same as the settings write it."""
        return LakeStoreSettings(
            endpoint=self.endpoint,
            region=self.region,
            use_ssl=self.use_ssl,
            key_id=SecretReference(self.key_variable),
            secret=SecretReference(self.secret_variable),
        )


class LakeConnection(dg.Config):
    """A lake that several machines share, with inbox and rate limits in its database."""

    catalog_variable: str = Field(
        description="Environment variable that holds PostgreSQL's connection string"
    )
    schema_name: str = Field(description="Schema of the catalogue")
    data_path: str = Field(description="Bucket or folder of the files")
    store: StoreConnection | None = Field(description="Server of the bucket")

    @classmethod
    def of(cls, lake: LakeSettings) -> "LakeConnection":
        """The same as the settings write it."""
        return cls(
            catalog_variable=lake.catalog.variable,
            schema_name=lake.schema_name,
            data_path=lake.data_path,
            store=None if lake.s3 is None else StoreConnection.of(lake.s3),
        )

    @property
    def settings(self) -> LakeSettings:
        """The same as the settings write it."""
        return LakeSettings(
            catalog=SecretReference(self.catalog_variable),
            schema=self.schema_name,
            data_path=self.data_path,
            s3=None if self.store is None else self.store.settings,
        )
