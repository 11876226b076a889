"""Files come in by the same door as webhooks, each row once."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emarsys_pipeline.inbox import FileLoaded, Inbox, RejectedRow, load_file

GOOD = (
    '{"event_id":"e1","phone":"+493023125000","status":"granted",'
    '"occurred_at":"2026-01-31T09:30:00Z"}'
)
OTHER = GOOD.replace("e1", "e2").replace("granted", "withdrawn")


def loaded(read: int, accepted: int, duplicates: int, *rejects: RejectedRow) -> FileLoaded:
    return FileLoaded(
        read=read,
        accepted=accepted,
        duplicates=duplicates,
        conflicts=0,
        rejected=len(rejects),
        rejects=rejects,
    )


def test_json_lines_are_loaded_in_batches_and_bad_rows_named(inbox: Inbox, tmp_path: Path) -> None:
    path = tmp_path / "consents.jsonl"
    lines = [GOOD, "", OTHER, "{broken", GOOD.replace("Z", ""), GOOD, '{"a":1,"a":2}']
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    progress: list[int] = []
    result = load_file(inbox, path, kind="consent", batch_rows=4, progress=progress.append)
    assert result == loaded(
        6,
        2,
        1,
        RejectedRow(3, "is no JSON in UTF-8"),
        RejectedRow(4, "occurred_at has no zone; send it with Z or an offset like +01:00"),
        RejectedRow(6, "repeats a key"),
    )
    assert progress == [4, 6]
    assert inbox.fetch("consent").select(["event_id", "status", "source"]).to_pylist() == [
        {"event_id": "e1", "status": "granted", "source": "file:consents.jsonl"},
        {"event_id": "e2", "status": "withdrawn", "source": "file:consents.jsonl"},
    ]
    assert inbox.counts["poison"] == 3
    again = load_file(inbox, path, kind="consent")
    assert (again.accepted, again.duplicates, again.rejected) == (0, 3, 3)
    assert inbox.counts["poison"] == 3


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_csv_with_either_delimiter_is_loaded(inbox: Inbox, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "contacts.csv"
    rows = [
        ["platform_contact_id", "first_name", "phone", "updated_at", "is_deleted"],
        ["1", '"Mina, ""M""; x"', "+493023125000", "2026-01-31T09:30:00Z", "true"],
        ["2", "", "", "", ""],
        ["3", "too few"],
        ["", "nobody", "", "", ""],
    ]
    path.write_text("\r\n".join(delimiter.join(row) for row in rows), encoding="utf-8")
    assert load_file(inbox, path, kind="contact") == loaded(
        4,
        2,
        0,
        RejectedRow(3, "has more or fewer values than the header"),
        RejectedRow(4, "has no platform_contact_id; send the contact's lasting id"),
    )
    columns = ["platform_contact_id", "first_name", "phone", "is_deleted"]
    assert inbox.fetch("contact").select(columns).to_pylist() == [
        {
            "platform_contact_id": "1",
            "first_name": 'Mina, "M"; x',
            "phone": "+493023125000",
            "is_deleted": True,
        },
        {"platform_contact_id": "2", "first_name": None, "phone": None, "is_deleted": False},
    ]


def test_parquet_keeps_typed_times(inbox: Inbox, tmp_path: Path) -> None:
    path = tmp_path / "consents.parquet"
    occurred_at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    table = pa.table(
        {
            "event_id": ["e1", "e2"],
            "platform_contact_id": [1, 2],
            "status": ["granted", None],
            "occurred_at": pa.array([occurred_at] * 2, pa.timestamp("ms", tz="Europe/Vienna")),
        }
    )
    pq.write_table(table, path)
    assert load_file(inbox, path, kind="consent") == loaded(
        2, 1, 0, RejectedRow(2, "has no status; send granted, withdrawn or denied")
    )
    columns = ["event_id", "platform_contact_id", "occurred_at"]
    assert inbox.fetch("consent").select(columns).to_pylist() == [
        {"event_id": "e1", "platform_contact_id": "1", "occurred_at": occurred_at}
    ]


def test_a_csv_file_with_broken_quotes_is_refused_with_its_place(
    inbox: Inbox, tmp_path: Path
) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text('platform_contact_id\n1\n"2\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"contacts\.csv, after line 2: unexpected end of data"):
        load_file(inbox, path, kind="contact")


def test_a_file_of_unknown_kind_is_refused(inbox: Inbox, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"contacts\.xlsx is of no known kind; name it \.jsonl"):
        load_file(inbox, tmp_path / "contacts.xlsx", kind="contact")
