"""Whether the lineage of columns is of columns that exist, and reaches from end to end."""

import dagster as dg

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.defs.column_lineage import ColumnLineage
from emarsys_pipeline_tests.defs.conftest import MakeSettings

HTTP = {
    "url": "https://platform.example.org/contacts",
    "secret": "${TEST_EMARSYS_SECRET}",
}
# Made by a person, or by the deployment itself: nothing flows into them from another asset.
WITHOUT_SOURCE = {
    *("raw_segment_exports", "platform_contacts", "consent_events", "automation_events"),
    *("analytics/identity_decisions",),
}


def _specs(make_settings: MakeSettings) -> dict[str, dg.AssetSpec]:
    settings = make_settings(messaging={"http": HTTP})
    specs = build_definitions(settings).resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec for spec in specs}


def test_every_column_comes_from_a_column_that_exists(make_settings: MakeSettings) -> None:
    specs = _specs(make_settings)
    columns = {
        name: {column.name for column in spec.metadata["dagster/column_schema"].columns}
        for name, spec in specs.items()
    }
    # Columns of fields are known once an account's fields have been fetched.
    columns["raw_segment_exports"] |= {"field_1", "field_3", "field_37"}

    wrong = []
    for name, spec in specs.items():
        if "dagster/column_lineage" not in spec.metadata:
            assert name in WITHOUT_SOURCE, name
            continue
        lineage = spec.metadata["dagster/column_lineage"].deps_by_column
        wrong += [f"{name}.{column}" for column in lineage if column not in columns[name]]
        wrong += [
            f"{name}.{column} from {dep.asset_key.to_user_string()}.{dep.column_name}"
            for column, deps in lineage.items()
            for dep in deps
            if dep.column_name not in columns.get(dep.asset_key.to_user_string(), ())
        ]

    assert wrong == []


def test_each_view_depends_on_the_assets_of_its_columns(make_settings: MakeSettings) -> None:
    for name, spec in _specs(make_settings).items():
        if name.startswith("analytics/") and name not in WITHOUT_SOURCE:
            lineage = spec.metadata["dagster/column_lineage"].deps_by_column
            made_from = {dep.asset_key for deps in lineage.values() for dep in deps}
            assert {dep.asset_key for dep in spec.deps} == made_from, name


def test_an_analysts_column_is_followed_to_the_emarsys_field(make_settings: MakeSettings) -> None:
    lineage = ColumnLineage.of(make_settings())

    def origins(asset: str, column: str) -> str:
        return lineage.origins(lineage.sources[asset][column])

    assert lineage.sources["analytics/identities"]["mobile"] == ("mapped_contacts.mobile",)
    assert lineage.sources["mapped_contacts"]["mobile"] == ("raw_segment_exports.field_37",)
    assert origins("analytics/identities", "mobile") == "Emarsys field 37 of shop_de"
    assert origins("analytics/identities", "phone_numbers") == (
        "Emarsys field 37 of shop_de; `platform_contacts.phone_number`"
    )
    assert origins("analytics/identities", "first_name") == (
        "Emarsys field 1 of shop_de; `platform_contacts.first_name`"
    )
    assert origins("analytics/opt_in_deliveries", "new_value") == "`consent_events.status`"
    assert origins("contact_upserts", "properties") == (
        "Emarsys field 3 of shop_de; Emarsys field 1 of shop_de; Emarsys field 37 of shop_de"
    )


def test_the_description_of_an_analysts_column_names_its_field(
    make_settings: MakeSettings,
) -> None:
    (described,) = (
        column.description
        for column in _specs(make_settings)["analytics/identities"]
        .metadata["dagster/column_schema"]
        .columns
        if column.name == "mobile"
    )

    assert described == "Mapped property mobile. From Emarsys field 37 of shop_de"


def test_what_is_switched_off_is_in_no_lineage(make_settings: MakeSettings) -> None:
    lineage = ColumnLineage.of(make_settings())

    assert "contact_upsert_pushes" not in lineage.sources
    assert lineage.tables_of("analytics/contact_upserts") == ["contact_upserts"]
