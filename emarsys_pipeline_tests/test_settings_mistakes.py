"""Mistakes in the settings file: each message names line, value and remedy, and no secret."""

import re
from pathlib import Path

import pytest

from emarsys_pipeline.settings import (
    CONFIG_VARIABLE,
    SettingsError,
    load_settings,
)
from emarsys_pipeline_tests.settings_files import VALID, written


@pytest.fixture(autouse=True)
def _no_settings_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    """The message's lines after the first, without the file's name, which each must have."""
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert all(str(path) in line for line in lines[1:] or lines)
    return [line.strip().removeprefix(f"{path}, ") for line in lines[1:] or lines]


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
            "windows:",
            "stitching: {blocked_patterns: ['(?!a)b']}\nwindows:",
            [
                "line 1, stitching.blocked_patterns[0]: '(?!a)b' looks around or back, which"
                " DuckDB's expressions cannot; write for example '.*@example[.]org'"
            ],
            id="pattern that RE2 cannot use",
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
