"""Whether the documentation is true: generated pages, links, commands, sections."""

import json
import re
import shlex
from pathlib import Path

import click
import dagster as dg
import pytest
import typer

from emarsys_pipeline.cli.app import app
from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.runbook import RUN_FAILED, RUNBOOK, TICK_FAILED, check_section
from emarsys_pipeline.settings import load_settings
from emarsys_pipeline_tests.docs.analytics_pages import contract
from emarsys_pipeline_tests.docs.contract import CONTRACT, differences
from emarsys_pipeline_tests.docs.pages import DOCS, PAGES, REGENERATE, ROOT, page

DOCUMENTS = sorted([ROOT / "README.md", *DOCS.glob("*.md")])
NAMES = [path.name for path in DOCUMENTS]


def _without_code(text: str) -> str:
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#+ (.+)$", _without_code(path.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found[slug] = found.get(slug, 0) + 1
    return set(found) | {f"{slug}-{n}" for slug, count in found.items() for n in range(1, count)}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == page(name), f"run {REGENERATE}"


def test_published_columns_are_as_declared() -> None:
    assert list(differences(CONTRACT.read_text(), contract())) == []
    assert CONTRACT.read_text() == contract()


def test_a_changed_column_is_named() -> None:
    declared = json.loads(contract())
    declared["consent_status"]["gone"] = "VARCHAR"
    declared["consent_status"]["status"] = "INTEGER"
    del declared["contacts"]["account"]
    assert list(differences(json.dumps(declared), contract())) == [
        "consent_status.gone: declared VARCHAR, found absent",
        "consent_status.status: declared INTEGER, found VARCHAR",
        "contacts.account: declared absent, found VARCHAR",
    ]


def test_every_check_has_its_section_and_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = build_definitions(load_settings()).get_repository_def().asset_graph
    anchors = _anchors(ROOT / RUNBOOK)
    checks: dict[str, dg.AssetCheckKey] = {key.name: key for key in graph.asset_check_keys}
    assert len(checks) >= 11
    assert [name for name in checks if name not in anchors] == []
    for name, key in checks.items():
        assert (graph.get(key).description or "").endswith(f"Runbook: {check_section(name)}")


def test_every_section_that_a_message_names_exists() -> None:
    named = {RUN_FAILED, TICK_FAILED}
    for path in (ROOT / "emarsys_pipeline").rglob("*.py"):
        text = path.read_text()
        named |= set(re.findall(r"docs/\w+\.md(?:#[\w-]+)?", text))
        named |= {f"{RUNBOOK}{anchor}" for anchor in re.findall(r"\{RUNBOOK\}(#[\w-]+)", text)}
    assert len(named) > 5
    for target in named:
        page_name, _, anchor = target.partition("#")
        assert (ROOT / page_name).exists(), target
        assert not anchor or anchor in _anchors(ROOT / page_name), target


def test_every_metric_is_listed_and_no_other() -> None:
    source = (ROOT / "emarsys_pipeline" / "cli" / "metrics.py").read_text()
    made = re.findall(r"_gauge\(\s*\"(\w+)\"", source)
    listed = re.findall(r"^\| `(\w+)` \|", (DOCS / "operations.md").read_text(), re.MULTILINE)
    assert len(made) >= 17
    assert sorted(listed) == sorted(made)


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_and_anchor_resolves(path: Path) -> None:
    text = _without_code(path.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_command_and_option_named_exists(path: Path) -> None:
    root = typer.main.get_command(app)
    for line in re.findall(r"emarsys-pipeline( [^`\n]*)", path.read_text()):
        _follow(root, line)


def _follow(command: click.Command, line: str) -> None:
    """Walk along the words of a command line as the command itself would."""
    text = re.split(r" (?:[|&;>]|\|\|) ?| {2,}|[│,(]", f"{line} ")[0]
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    group: click.Command = command
    for word in words:
        if isinstance(group, click.Group) and re.fullmatch(r"[a-z][a-z-]+", word):
            assert word in group.commands, f"emarsys-pipeline{line}"
            group = group.commands[word]
        elif re.fullmatch(r"--[a-z-]+", word) and word != "--help":
            known = {name for each in group.params for name in (*each.opts, *each.secondary_opts)}
            assert word in known | {"--install-completion", "--show-completion"}, (
                f"emarsys-pipeline{line}: {word}"
            )
        elif isinstance(group, click.Group):
            return
