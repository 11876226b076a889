"""Whatever is wrong with a delivered file is noticed before any of it is written.

Files are spoiled byte by byte in an account in memory, and pass the client's own verification.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from emarsys_pipeline.emarsys import EmarsysClient
from emarsys_pipeline.emarsys.downloads import verify_csv
from emarsys_pipeline.emarsys.errors import IncompleteExportError
from emarsys_pipeline.settings import ImportSettings
from emarsys_pipeline.stages.raw_segment_exports import (
    SegmentImported,
    SuspiciousDeliveryError,
    WrongDeliveryError,
    import_account,
)
from emarsys_pipeline_tests.stages.histories import make_history_account, random_contact
from emarsys_pipeline_tests.stages.landed_rows import table, window
from emarsys_pipeline_tests.stages.memory_account import MemoryAccount
from emarsys_pipeline_tests.stages.resident_warehouse import ResidentWarehouse
from emarsys_pipeline_tests.warehouses import Warehouse

Spoil = Callable[[bytes], bytes]
REFUSALS = (IncompleteExportError, SuspiciousDeliveryError, WrongDeliveryError)
ACCOUNT = make_history_account("shop")
ROWS = (
    "select contact_id, kind, field_1, field_3, field_37, field_900 from raw_segment_exports"
    " where window_start = $start order by contact_id::int"
)


@pytest.fixture
def resident(tmp_path: Path) -> Warehouse:
    return ResidentWarehouse(tmp_path / "resident")


def make_emarsys(contacts: int, *, has_user_id: bool = True) -> MemoryAccount:
    source = random.Random(contacts)  # noqa: S311  # not a secret
    emarsys = MemoryAccount(has_user_id=has_user_id)
    emarsys.contacts = {
        str(number): random_contact(source) | {"1": f'na"me,\r\n {number}'}
        for number in range(1, contacts + 1)
    }
    emarsys.segments = {"100": set(emarsys.contacts)}
    return emarsys


def land(
    warehouse: Warehouse, emarsys: MemoryAccount, folder: Path, number: int = 0, **limits: float
) -> SegmentImported | Exception:
    return import_account(
        warehouse,
        cast("EmarsysClient", emarsys),
        ACCOUNT,
        ["100"],
        window(number),
        imports=ImportSettings(**limits),
        downloads=folder,
        run_id="run",
        now=lambda: window(number).end + timedelta(minutes=5),
    )["100"]


def exported_bytes(emarsys: MemoryAccount, folder: Path) -> bytes:
    """The file of a whole export."""
    folder.mkdir(exist_ok=True)
    fields = ["3", "37", "1", "46", "900", "902"]
    emarsys.spoil = bytes
    return emarsys.download_export(
        emarsys.start_segment_export("100", fields), folder / "whole.csv"
    ).path.read_bytes()


def assert_refused(warehouse: Warehouse, emarsys: MemoryAccount, folder: Path) -> None:
    """Nothing lands, nothing is asked for twice, and the next run lands all."""
    emarsys.requests.clear()
    outcome = land(warehouse, emarsys, folder)
    assert isinstance(outcome, REFUSALS), outcome
    assert len(emarsys.requests) == 1
    for name in ("raw_segment_exports", "segment_imports"):
        assert table(warehouse, f"select * from {name}") == []  # noqa: S608  # names of ours
    assert list(folder.iterdir()) == []


def is_whole(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    try:
        verify_csv(path, "1")
    except IncompleteExportError:
        return False
    return True


def test_a_file_cut_off_after_any_byte_is_refused(resident: Warehouse, tmp_path: Path) -> None:
    """The client refuses all cuts but those between two records; the import refuses these."""
    emarsys = make_emarsys(12)
    whole = exported_bytes(emarsys, tmp_path / "files")
    passing = [
        cut for cut in range(len(whole)) if is_whole(whole[:cut], tmp_path / "files" / "cut.csv")
    ]
    assert len(passing) == 12  # after the header and after each record but the last
    assert is_whole(whole, tmp_path / "files" / "cut.csv")
    for records in range(12):
        emarsys.spoil = lambda data, records=records: after_records(data, records)  # type: ignore[misc]
        assert_refused(resident, emarsys, tmp_path / "downloads")
    emarsys.spoil = bytes
    assert isinstance(land(resident, emarsys, tmp_path / "downloads"), SegmentImported)


def after_records(data: bytes, records: int) -> bytes:
    """The header and so many records; a record ends with the only line end outside quotes."""
    end = 0
    for _ in range(records + 1):
        end = data.index(b"\r\n", end) + 2
        while data[:end].count(b'"') % 2:
            end = data.index(b"\r\n", end) + 2
    return data[:end]


def test_a_large_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # shown when the test fails
    source = random.Random(seed)  # noqa: S311  # not a secret
    whole = exported_bytes(make_emarsys(5_000), tmp_path / "files")
    for cut in source.sample(range(1, len(whole)), 150):
        part = whole[:cut]
        is_between_records = part.endswith(b"\r\n") and part.count(b'"') % 2 == 0
        assert is_whole(part, tmp_path / "files" / "cut.csv") == is_between_records, cut


def lines(data: bytes) -> list[bytes]:
    """Records, of a file without line ends in its cells."""
    return data.splitlines(keepends=True)


def with_lines(change: Callable[[list[bytes]], list[bytes]]) -> Spoil:
    return lambda data: b"".join(change(lines(data)))


def move_first_column(line: bytes) -> bytes:
    first, second, rest = line.split(b",", 2)
    return b",".join([second, first, rest])


WRONG: dict[str, Spoil] = {
    "one record too few": with_lines(lambda all_: all_[:3] + all_[4:]),
    "one record twice": with_lines(lambda all_: [*all_, all_[3]]),
    "one record in the place of another": with_lines(lambda all_: [*all_[:-1], all_[3]]),
    "two records of one contact": with_lines(
        lambda all_: [*all_[:-1], all_[3].split(b",")[0] + b"," + all_[-1].split(b",", 1)[1]]
    ),
    "records of a stranger": with_lines(
        lambda all_: [*all_[:-1], b"99999," + all_[-1].split(b",", 1)[1], all_[-1], all_[-1]]
    ),
    "no header": with_lines(lambda all_: all_[1:]),
    "the header twice": with_lines(lambda all_: [all_[0], *all_]),
    "the header in the middle, for a record": with_lines(
        lambda all_: [*all_[:4], all_[0], *all_[5:]]
    ),
    "two columns in each other's place": with_lines(
        lambda all_: [move_first_column(line) for line in all_]
    ),
    "only the headings in each other's place": with_lines(
        lambda all_: [move_first_column(all_[0]), *all_[1:]]
    ),
    "one column more": with_lines(lambda all_: [line[:-2] + b",more\r\n" for line in all_]),
    "one column less": with_lines(
        lambda all_: [line.rsplit(b",", 1)[0] + b"\r\n" for line in all_]
    ),
    "one cell more in a record": with_lines(
        lambda all_: [*all_[:3], all_[3][:-2] + b",more\r\n", *all_[4:]]
    ),
    "another separator": lambda data: data.replace(b",", b";"),
    "no contact id in a record": with_lines(
        lambda all_: [*all_[:3], b"," + all_[3].split(b",", 1)[1], *all_[4:]]
    ),
    "not UTF-8": lambda data: data.replace(b"name", b"n\xe4me"),
    "only the header": with_lines(lambda all_: all_[:1]),
    "nothing": lambda data: data[:0],
    "null bytes at the end": lambda data: data + bytes(64),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused(resident: Warehouse, tmp_path: Path, spoil: Spoil) -> None:
    emarsys = make_emarsys(12)
    for number, contact in emarsys.contacts.items():
        contact["1"] = f"name {number}"
    emarsys.spoil = spoil
    assert_refused(resident, emarsys, tmp_path / "downloads")


HARMLESS: dict[str, Spoil] = {
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "LF line ends": lambda data: data.replace(b"\r\n", b"\n"),
    "another order of records": with_lines(lambda all_: [all_[0], *all_[:0:-1]]),
    "headings in capitals": with_lines(lambda all_: [all_[0].upper(), *all_[1:]]),
}


@pytest.mark.parametrize("spoil", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("has_user_id", [True, False], ids=["ids", "no ids"])
def test_a_harmless_difference_lands_the_same_rows(
    resident: Warehouse, tmp_path: Path, spoil: Spoil, *, has_user_id: bool
) -> None:
    emarsys = make_emarsys(12, has_user_id=has_user_id)
    for number, contact in emarsys.contacts.items():
        contact["1"] = f"name {number}"
    emarsys.spoil = spoil
    assert isinstance(land(resident, emarsys, tmp_path / "downloads"), SegmentImported)
    assert table(resident, ROWS, start=window(0).start) == [
        (each, "member", *(contact[name] or None for name in ("1", "3", "37", "900")))
        for each, contact in emarsys.contacts.items()
    ]


@pytest.mark.parametrize("missing", [1, 2], ids=["within", "beyond"])
def test_the_tolerance_is_for_contacts_that_moved_and_their_values_are_fetched(
    resident: Warehouse, tmp_path: Path, missing: int
) -> None:
    """Of 200 contacts, 0.5 percent is one."""
    emarsys = make_emarsys(200)
    for number, contact in emarsys.contacts.items():
        contact["1"] = f"name {number}"
    emarsys.spoil = with_lines(lambda all_: [all_[0], *all_[1 + missing :]])
    outcome = land(resident, emarsys, tmp_path / "downloads")
    assert isinstance(outcome, SuspiciousDeliveryError if missing == 2 else SegmentImported)
    if missing == 1:
        landed = table(resident, ROWS, start=window(0).start)
        assert [row[2] for row in landed] == [each["1"] for each in emarsys.contacts.values()]
    else:
        assert table(resident, "from raw_segment_exports") == []


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_wrong_changes_land_nothing_or_are_replaced_by_a_full_import(
    resident: Warehouse, tmp_path: Path, spoil: Spoil
) -> None:
    """A changes export may well hold fewer or more contacts than before; ids tell whose it is."""
    emarsys = make_emarsys(12)
    for number, contact in emarsys.contacts.items():
        contact["1"] = f"name {number}"
    assert isinstance(land(resident, emarsys, tmp_path / "downloads"), SegmentImported)
    emarsys.changes = [(window(1).start, each) for each in emarsys.contacts]
    changes = emarsys.start_changes_export

    def spoiled(*arguments: object, **more: object) -> str:
        emarsys.spoil = spoil
        return changes(*arguments, **more)  # type: ignore[arg-type]

    def sound(*arguments: object, **more: object) -> str:
        emarsys.spoil = bytes
        return MemoryAccount.start_segment_export(emarsys, *arguments, **more)  # type: ignore[arg-type]

    emarsys.start_changes_export = spoiled  # type: ignore[method-assign]
    emarsys.start_segment_export = sound  # type: ignore[method-assign]
    for contact in emarsys.contacts.values():
        contact["900"] = "7"
    emarsys.requests.clear()
    outcome = land(resident, emarsys, tmp_path / "downloads", 1)
    assert len(emarsys.requests) <= 3
    newest = table(resident, ROWS, start=window(1).start)
    if isinstance(outcome, SegmentImported):
        told = {row[0]: (row[2], row[5]) for row in newest}
        expected = {each: (contact["1"], "7") for each, contact in emarsys.contacts.items()}
        assert told.items() <= expected.items()
        assert outcome.mode == "changes" or told == expected
    else:
        assert isinstance(outcome, REFUSALS), outcome
        assert newest == []
