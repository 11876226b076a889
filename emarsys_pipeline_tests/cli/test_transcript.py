"""Whether docs/commands.md shows what the commands print."""

import re

import pytest

from emarsys_pipeline_tests.cli.transcript import DOCUMENT, REGENERATE, normalise, page


@pytest.mark.slow
def test_the_page_of_commands_is_what_the_commands_print() -> None:
    assert page() == DOCUMENT.read_text(), f"write docs/commands.md anew: {REGENERATE}"


def test_the_page_names_invented_people_only() -> None:
    text = DOCUMENT.read_text()
    assert set(re.findall(r"[\w.+-]+@([\w.-]+)", text)) == {"example.org"}
    assert re.findall(r"(?:\+|\b00?)[1-9](?:[ /-]?\d){6,}", text) == []


def test_two_runs_of_doctor_are_told_alike() -> None:
    runs = (
        "│ http://127.0.0.1:40811 │\n│ 0 s ahead of Emarsys's │\n│ 987 of 1,000           │  \n",
        "│ http://127.0.0.1:33333 │\n│ 1 s behind Emarsys's   │\n│ 1,000 of 1,000         │\n",
    )
    told = "│ http://127.0.0.1:8025  │\n│ 0 s behind Emarsys's   │\n│ 950 of 1,000           │"
    assert [normalise(run) for run in runs] == [told, told]
