"""The settings file: what it accepts, and that each mistake names line, value and remedy."""

import pickle
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from emarsys_pipeline.settings import (
    CONFIG_VARIABLE,
    FieldMapping,
    MessagingSettings,
    OAuth2Connection,
    SecretReference,
    SegmentReference,
    Settings,
    SettingsError,
    WindowSettings,
    WsseConnection,
    example_settings,
    load_settings,
)
from emarsys_pipeline.settings.accounts import RESERVED_PROPERTIES
from emarsys_pipeline.stages.contact_upserts import MERGED_INTO
from emarsys_pipeline_tests.settings_files import VALID, written

COLUMN = re.compile(r"^    ([a-z_]+) ", re.MULTILINE)


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_minimal_file_gets_the_documented_defaults(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, VALID))
    assert settings.path == tmp_path / "settings.yaml"
    assert settings.home == tmp_path / ".emarsys_pipeline"
    assert settings.windows.grid.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert settings.windows.grid.cron(settings.windows.delay_minutes) == "5 0,12 * * *"
    account = settings.account("shop_de")
    assert account.base_url == "https://api.emarsys.net"
    assert account.connection == WsseConnection(
        auth="wsse",
        username=SecretReference("SHOP_USERNAME"),
        secret=SecretReference("SHOP_SECRET"),
    )
    assert account.segments == (SegmentReference(id="100400101"),)
    assert account.fields == (
        FieldMapping(emarsys="3", property="email", identifier="email"),
        FieldMapping(emarsys="37", property="mobile", identifier="phone"),
    )
    assert account.opt_in is not None
    assert account.opt_in.model_dump() == {
        "field": "whatsapp_opt_in",
        "channel": "whatsapp",
        "granted": "granted",
        "withdrawn": "withdrawn",
        "create_missing_contacts": False,
    }
    assert settings.imports.max_contacts_per_segment == 500_000
    assert settings.pushes.batch_size == 1000
    assert settings.inbox_path == settings.home / "inbox.sqlite"


def test_the_example_loads_and_shows_every_key_with_its_default(tmp_path: Path) -> None:
    from_package = load_settings()
    assert from_package.path is None
    assert from_package.home == tmp_path / ".emarsys_pipeline"
    assert [account.name for account in from_package.accounts] == ["shop_de"]
    # A line "#   key: value   # what it means" becomes "  key: value".
    uncommented = re.sub(r"^#(?= *[a-z0-9_]+:)", "", example_settings(), flags=re.MULTILINE)
    uncommented = re.sub(r"^ (?=[a-z])", "", uncommented, flags=re.MULTILINE)
    uncommented = re.sub(r"^(  +)# (?=[a-z_]+: )", r"\1", uncommented, flags=re.MULTILINE)
    uncommented = uncommented.replace("birth_date: date", "city: varchar")
    everything = load_settings(written(tmp_path, uncommented))
    shown_only = {"path", "properties", "webhooks", "messaging", "lake"}
    for name in Settings.model_fields.keys() - shown_only:
        assert getattr(everything, name) == getattr(from_package, name), name
    secrets = {"platform_secret", "emarsys_secret", "emarsys_legacy_secret"}
    assert everything.webhooks.model_dump(exclude=secrets) == from_package.webhooks.model_dump(
        exclude=secrets
    )
    assert from_package.messaging == MessagingSettings()
    assert from_package.lake is None
    assert everything.lake is not None
    for way, required in (
        (everything.messaging.hand_over, {"folder"}),
        (everything.messaging.http, {"url", "secret"}),
        (everything.lake, {"catalog", "data_path", "s3"}),
        (everything.lake.s3, {"key_id", "secret"}),
    ):
        assert way is not None
        defaults = {name: each.default for name, each in type(way).model_fields.items()}
        shown = way.model_dump(exclude=required)
        assert shown == {name: defaults[name] for name in shown}
        assert way.model_fields_set == defaults.keys()
    for section in Settings.model_fields.keys() - {"path"}:
        assert section in everything.model_fields_set, section
        value = getattr(everything, section)
        if hasattr(value, "model_fields_set"):
            assert value.model_fields_set == type(value).model_fields.keys(), section
    assert (
        everything.accounts[0].model_fields_set == type(everything.accounts[0]).model_fields.keys()
    )


def test_the_file_is_found_by_variable_then_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "emarsys_pipeline.yaml").write_text(VALID.replace("shop_de", "in_folder"))
    assert load_settings().accounts[0].name == "in_folder"
    path = written(tmp_path, VALID.replace("shop_de", "by_variable"))
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    assert load_settings().accounts[0].name == "by_variable"
    monkeypatch.setenv(CONFIG_VARIABLE, "missing.yaml")
    with pytest.raises(SettingsError, match=r"missing\.yaml cannot be read.*emarsys-pipeline init"):
        load_settings()


def test_words_that_yaml_may_take_for_booleans_are_text(tmp_path: Path) -> None:
    text = VALID.replace("region: DE", "region: NO").replace(
        "whatsapp_opt_in}", "x, granted: yes, withdrawn: no}"
    )
    account = load_settings(written(tmp_path, text)).accounts[0]
    assert account.default_region == "NO"
    assert account.opt_in is not None
    assert (account.opt_in.granted, account.opt_in.withdrawn) == ("yes", "no")


def test_an_oauth2_connection_and_named_segments_are_accepted(tmp_path: Path) -> None:
    text = VALID.replace(
        "{auth: wsse, username: ${SHOP_USERNAME}, secret: ${SHOP_SECRET}}",
        "{auth: oauth2, client_id: '${ID}', client_secret: ${SECRET}}",
    ).replace("[100400101]", '[1, {name: "VIP, new"}, {id: 3}]')
    account = load_settings(written(tmp_path, text)).accounts[0]
    assert account.connection == OAuth2Connection(
        auth="oauth2", client_id=SecretReference("ID"), client_secret=SecretReference("SECRET")
    )
    assert account.segments == (
        SegmentReference(id="1"),
        SegmentReference(name="VIP, new"),
        SegmentReference(id="3"),
    )


def test_property_types_cover_all_accounts_and_default_to_text(tmp_path: Path) -> None:
    second = VALID.split("accounts:\n")[1].replace("shop_de", "shop_fr")
    second = second.replace("as: mobile", "as: points").replace(", identifier: phone", "")
    text = f"{VALID}{second}properties: {{points: bigint}}\n"
    assert load_settings(written(tmp_path, text)).property_types == {
        "email": "varchar",
        "mobile": "varchar",
        "points": "bigint",
    }


def test_a_secret_is_read_at_use_and_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_USERNAME", "customer001")
    settings = load_settings(written(tmp_path, VALID))
    connection = settings.accounts[0].connection
    assert isinstance(connection, WsseConnection)
    assert connection.username.reveal() == "customer001"
    assert "customer001" not in repr(settings) + str(connection) + str(settings.model_dump())
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own object
    with pytest.raises(SettingsError, match=r"SHOP_SECRET is not set.*export SHOP_SECRET"):
        connection.secret.reveal()


def test_an_unknown_account_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no account shop_fr .*shop_de"):
        load_settings(written(tmp_path, VALID)).account("shop_fr")


def test_a_date_alone_starts_the_windows_at_midnight_utc() -> None:
    windows = WindowSettings.model_validate({"start": "2026-02-03"})
    assert windows.start == datetime(2026, 2, 3, tzinfo=UTC)
    assert windows.start.tzinfo is UTC


def test_no_property_can_take_a_column_of_the_tables() -> None:
    schema = resources.files("emarsys_pipeline.warehouse") / "schema" / "0001_tables.sql"
    columns: set[str] = set()
    for name in ("mapped_contacts", "current_contacts", "identities"):
        body = schema.read_text(encoding="utf-8").split(f"create table {name} (")[1].split(");")[0]
        columns.update(COLUMN.findall(body))
    added_later = {"touched_window_start"}
    added_by_views = {"changed_window_start", "opt_in_read_at", "opt_in_value"}
    assert columns | added_later | added_by_views | {MERGED_INTO} == RESERVED_PROPERTIES
