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

VALID = """\
windows: {start: 2026-01-01T00:00:00Z}
accounts:
  - name: shop_de
    connection: {auth: wsse, username: ${SHOP_USERNAME}, secret: ${SHOP_SECRET}}
    default_region: DE
    segments: [100400101]
    fields:
      - {emarsys: 3, as: email, identifier: email}
      - {emarsys: 37, as: mobile, identifier: phone}
    opt_in: {field: whatsapp_opt_in}
"""

COLUMN = re.compile(r"^    ([a-z_]+) ", re.MULTILINE)


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(tmp_path: Path, text: str) -> list[str]:
    """The message's lines after the first, without the file's name, which each must have."""
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert all(str(path) in line for line in lines[1:] or lines)
    return [line.strip().removeprefix(f"{path}, ") for line in lines[1:] or lines]


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
    uncommented = re.sub(r"^#(?= *[a-z_]+:)", "", example_settings(), flags=re.MULTILINE)
    uncommented = re.sub(r"^ (?=[a-z])", "", uncommented, flags=re.MULTILINE)
    uncommented = re.sub(r"^(  +)# (?=[a-z_]+: )", r"\1", uncommented, flags=re.MULTILINE)
    uncommented = uncommented.replace("birth_date: date", "city: varchar")
    everything = load_settings(written(tmp_path, uncommented))
    for name in Settings.model_fields.keys() - {"path", "properties", "webhooks", "messaging"}:
        assert getattr(everything, name) == getattr(from_package, name), name
    secrets = {"platform_secret", "emarsys_secret", "emarsys_legacy_secret"}
    assert everything.webhooks.model_dump(exclude=secrets) == from_package.webhooks.model_dump(
        exclude=secrets
    )
    assert from_package.messaging == MessagingSettings()
    for way, required in (
        (everything.messaging.hand_over, {"folder"}),
        (everything.messaging.http, {"url", "secret"}),
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


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "default_region",
            "defualt_region",
            [
                "line 3, accounts[0].default_region: is missing; write default_region: two letters,"
                " for example DE: the country of numbers without a country code",
                "line 5, accounts[0].defualt_region: no such key; did you mean default_region?; the"
                " keys here are base_url, connection, default_region, fields, language, name,"
                " opt_in, segments",
            ],
            id="unknown key",
        ),
        pytest.param(
            "name: shop_de",
            "name: Shop-DE",
            [
                "line 3, accounts[0].name: 'Shop-DE' is no account name; write lower-case letters,"
                " digits and _, for example shop_de"
            ],
            id="account name",
        ),
        pytest.param(
            "${SHOP_SECRET}",
            "hunter2",
            [
                "line 4, accounts[0].connection.secret: a secret may not stand in the settings"
                " file; write ${NAME} here, export NAME in the environment, and treat what was"
                " written here as known to others"
            ],
            id="literal secret",
        ),
        pytest.param(
            "{emarsys: 37,",
            "{emarsys: 31,",
            [
                "line 9, accounts[0].fields[1].emarsys: '31' is Emarsys's e-mail opt-in field and"
                " holds no phone; write 37 for Mobile, 15 for Phone or 3 for Email"
            ],
            id="phone mapped to the e-mail opt-in",
        ),
        pytest.param(
            "identifier: phone",
            "identifier: phnoe",
            [
                "line 9, accounts[0].fields[1].identifier: 'phnoe' cannot be used: input should be"
                " 'phone' or 'email'; did you mean phone?; write phone or email if the field"
                " identifies a person; else leave out"
            ],
            id="misspelt identifier",
        ),
        pytest.param(
            "as: mobile",
            "as: row_hash",
            [
                "line 9, accounts[0].fields[1].as: 'row_hash' is the name of a column that the"
                " tables already have; write for example emarsys_row_hash"
            ],
            id="reserved property",
        ),
        pytest.param(
            "as: mobile",
            "as: Mobile phone",
            [
                "line 9, accounts[0].fields[1].as: 'Mobile phone' is no property name; write"
                " lower-case letters, digits and _, a letter first"
            ],
            id="property name",
        ),
        pytest.param(
            "as: mobile",
            "as: email",
            [
                "line 9, accounts[0].fields[1].as: 'email' is already the property of another"
                " field of this account; write another name"
            ],
            id="property mapped twice",
        ),
        pytest.param(
            "field: whatsapp_opt_in",
            "field: 31",
            [
                "line 10, accounts[0].opt_in.field: '31' is Emarsys's own e-mail opt-in field, and"
                " consent to another channel would overwrite it; create a text field in Emarsys and"
                " name it here"
            ],
            id="e-mail opt-in as the opt-in field",
        ),
        pytest.param(
            "default_region: DE",
            "default_region: UK",
            [
                "line 5, accounts[0].default_region: 'UK' is no region; write its two ISO letters,"
                " for example GB"
            ],
            id="region",
        ),
        pytest.param(
            "default_region: DE",
            "default_region: DE\n    base_url: http://api.emarsys.net",
            [
                "line 6, accounts[0].base_url: 'http://api.emarsys.net' would send credentials"
                " unencrypted; write https:// (plain http is for a server on 127.0.0.1 only)"
            ],
            id="unencrypted address",
        ),
        pytest.param(
            "00:00:00Z}",
            "00:00:00Z, length_minutes: 7}",
            [
                "line 1, windows.length_minutes: '7' neither divides an hour nor is whole hours"
                " that divide a day; write for example 60, 360, 720 or 1440"
            ],
            id="window length",
        ),
        pytest.param(
            "00:00:00Z}",
            "00:00:00Z, length_minutes: 5, delay_minutes: 5}",
            [
                "line 1, windows.delay_minutes: '5' is no shorter than a window of 5 minutes;"
                " write less"
            ],
            id="delay",
        ),
        pytest.param(
            "start: 2026-01-01T00:00:00Z",
            "start: 2026-01-01T01:00:00Z",
            [
                "line 1, windows.start: '2026-01-01T01:00:00Z' cannot be used: the start"
                " 2026-01-01T01:00:00+00:00 is not a boundary of 720-minute windows; write for"
                " example midnight UTC"
            ],
            id="start off the grid",
        ),
        pytest.param(
            "windows:",
            "imports: {max_contacts_per_segment: 600000}\nwindows:",
            [
                "line 1, imports.max_contacts_per_segment: '600000' cannot be used: input should be"
                " less than or equal to 500000; write the largest segment that is imported, at"
                " most 500000"
            ],
            id="segment limit raised",
        ),
        pytest.param(
            "windows:",
            "properties: {city: date}\nwindows:",
            [
                "line 1, properties.city: 'date' is a property that no account maps; write one of"
                " email, mobile"
            ],
            id="type of an unmapped property",
        ),
        pytest.param(
            "windows:",
            "stitching: {golden_records: {sources: [shop_xx], properties: {city: {}}}}\nwindows:",
            [
                "line 1, stitching.golden_records.properties.city: is a property that no account"
                " maps; write one of email, mobile",
                "line 1, stitching.golden_records.sources[0]: 'shop_xx' is no source; write one of"
                " emarsys, platform, shop_de",
            ],
            id="unknown names in golden record rules",
        ),
        pytest.param(
            "windows:",
            "stitching: {blocked_patterns: ['(']}\nwindows:",
            [
                "line 1, stitching.blocked_patterns[0]: '(' is no regular expression (missing ),"
                " unterminated subpattern at position 0); write for example '.*@example[.]org'"
            ],
            id="broken pattern",
        ),
        pytest.param(
            "    default_region",
            "    name: again\n    default_region",
            ["line 5: repeats the key name; remove one of the two"],
            id="repeated key",
        ),
        pytest.param("windows:", "path: x\nwindows:", None, id="the program's own key"),
    ],
)
def test_a_mistake_names_line_value_and_remedy(
    tmp_path: Path, old: str, new: str, expected: list[str] | None
) -> None:
    assert old in VALID
    found = mistakes(tmp_path, VALID.replace(old, new, 1))
    if expected is None:
        assert len(found) == 1
        assert "line 1, path: no such key" in found[0]
    else:
        assert found == expected


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = VALID.replace("name: shop_de", "name: '!'").replace("as: mobile", "as: '?'")
    text = text.replace("windows:", "pushes: {batch_size: 1001}\nwindows:")
    assert [line.split(": ")[0] for line in mistakes(tmp_path, text)] == [
        "line 1, pushes.batch_size",
        "line 4, accounts[0].name",
        "line 10, accounts[0].fields[1].as",
    ]


def test_twenty_one_fields_are_refused_with_number_and_limit(tmp_path: Path) -> None:
    twenty = "".join(f"      - {{emarsys: {100 + n}, as: p{n}}}\n" for n in range(18))
    load_settings(written(tmp_path, VALID.replace("    opt_in:", twenty + "    opt_in:")))
    more = twenty + "      - {emarsys: 200, as: q}\n"
    assert mistakes(tmp_path, VALID.replace("    opt_in:", more + "    opt_in:")) == [
        "line 7, accounts[0].fields: maps 21 fields, and Emarsys exports at most 20; remove 1"
    ]


def test_an_account_without_identifier_is_refused(tmp_path: Path) -> None:
    text = VALID.replace(", identifier: email", "").replace(", identifier: phone", "")
    assert mistakes(tmp_path, text) == [
        "line 7, accounts[0].fields: has no field that identifies a person, so nothing could be "
        "stitched; add identifier: email or identifier: phone to one"
    ]


def test_two_accounts_of_one_name_are_refused(tmp_path: Path) -> None:
    assert mistakes(tmp_path, VALID + VALID.split("accounts:\n")[1]) == [
        "line 11, accounts[1].name: 'shop_de' names another account too; write another name"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: [", "line 1: is no YAML: ", id="unclosed"),
        pytest.param("", "line 1: holds no settings", id="empty"),
        pytest.param("- 1", "line 1: holds no settings", id="a list"),
        pytest.param("x: &a [*a]", "line 1: contains itself", id="recursive"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_with_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    (line,) = mistakes(tmp_path, text)
    assert line.startswith(expected)


@pytest.mark.parametrize(
    "connection",
    [
        "{auth: wsse, username: ${U}, secret: hunter2}",
        "{auth: oauth2, client_id: ${U}, client_secret: '${hunter2'}",
        "{auth: wsse, username: hunter2}",
        "hunter2",
        "[hunter2]",
        "{auth: wsse, username: ${U}, secret: [hunter2]}",
    ],
)
def test_a_secret_in_the_file_is_not_repeated_in_the_message(
    tmp_path: Path, connection: str
) -> None:
    text = re.sub(r"connection: .*", f"connection: {connection}", VALID)
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


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
    added_by_views = {"changed_window_start", "opt_in_read_at", "opt_in_value"}
    assert columns | added_by_views | {MERGED_INTO} == RESERVED_PROPERTIES
