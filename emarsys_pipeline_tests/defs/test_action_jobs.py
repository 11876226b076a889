"""The seven actions as jobs, and the examination of accounts as a check, on the sandbox."""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from emarsys_pipeline.defs.build import build_definitions
from emarsys_pipeline.sandbox.process import Sandbox, running_sandbox
from emarsys_pipeline_tests.defs.conftest import MakeSettings
from emarsys_pipeline_tests.defs.running import QUIET, failure_of

EMAIL, NAME = "mina.muster@example.org", "Muster-Mina"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(contacts=120, seed=3) as running:
        yield running


class Deployment:
    """Definitions for one account in the sandbox, and an instance to run its jobs in."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions = definitions
        self.instance = instance

    def run(self, job: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Run a job with what somebody would write in the Launchpad."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            run_config={
                **QUIET,
                **({"ops": {f"{job}_action": {"config": config}}} if config else {}),
            },
            raise_on_error=False,
        )

    def answer(self, job: str, **config: Any) -> dict[str, Any]:
        """The metadata that the run shows."""
        result = self.run(job, **config)
        assert result.success
        (event,) = [event for event in result.all_events if event.is_successful_output]
        return {key: value.value for key, value in event.step_output_data.metadata.items()}


@pytest.fixture
def deployment(
    make_settings: MakeSettings,
    sandbox: Sandbox,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Deployment:
    monkeypatch.setenv("TEST_EMARSYS_USERNAME", sandbox.username)
    monkeypatch.setenv("TEST_EMARSYS_SECRET", sandbox.secret)
    account = {"base_url": sandbox.url, "segments": [100400101], "language": "de"}
    return Deployment(build_definitions(make_settings(account=account)), instance)


@pytest.fixture
def mina(deployment: Deployment) -> str:
    values = {"first_name": NAME, "46": "Frau", "fav_colours": "Rot,id:7", "city": ""}
    written = deployment.answer("update_contact", key=EMAIL, values=values)
    assert written["field_ids"] == ["1", "46", "10231", "11"]
    return str(written["contact_id"])


def test_a_contact_is_shown_with_ids_or_labels(deployment: Deployment, mina: str) -> None:
    asked = {"key": EMAIL, "fields": ["salutation", "fav_colours"]}
    assert deployment.answer("get_contact", **asked) == {
        "contact_id": mina,
        "answer": "| id | string id | name | value |\n| --- | --- | --- | --- |\n"
        "| 46 | salutation | Anrede | 2 |\n"
        "| 10231 | fav_colours | Lieblingsfarben | 1, 7 |",
        "document": {
            "contact_id": mina,
            "values": {"salutation": "2", "fav_colours": ["1", "7"]},
        },
    }
    labelled = deployment.answer("get_contact_with_labels", **asked, language="en")
    assert labelled["document"]["values"] == {"salutation": "Ms.", "fav_colours": ["Red", "Blue"]}


def test_fields_and_choices_are_shown(deployment: Deployment) -> None:
    fields = deployment.answer("list_fields")
    assert "| 46 | salutation | Anrede | singlechoice |" in fields["answer"]
    assert fields["answer"].count("\n") == fields["fields"] + 1
    single = deployment.answer("list_single_choices", field="salutation", account="shop_de")
    assert single["answer"].splitlines()[2:4] == ["| 1 | Herr |", "| 2 | Frau |"]
    multi = deployment.answer("list_multi_choices", field="fav_colours", language="en")
    assert (multi["choices"], "| 1 | Red |" in multi["answer"]) == (5, True)


def test_an_event_is_triggered(deployment: Deployment, sandbox: Sandbox, mina: str) -> None:
    config = {"event": "123", "key": EMAIL, "data": {"order": "A-1"}, "trigger_id": "job-A-1"}
    assert deployment.answer("trigger_event", **config) == {
        "event_id": "123",
        "trigger_id": "job-A-1",
    }
    triggers = [each for each in sandbox.event_triggers() if str(each["contact_id"]) == mina]
    assert [each["data"] for each in triggers] == ['{"order": "A-1"}']


@pytest.mark.parametrize(
    ("job", "config", "told"),
    [
        ("get_contact", {"key": EMAIL, "fields": ["Anred"]}, "the nearest: Anrede (46)"),
        ("list_multi_choices", {"field": "salutation"}, "not multi choice"),
        (
            "update_contact",
            {"key": "nobody@example.org", "values": {"city": "Ulm"}, "create": False},
            "code 2008",
        ),
        ("list_fields", {"account": "shop_at"}, "there are: shop_de"),
    ],
    ids=["field", "type", "no contact", "account"],
)
def test_mistakes_fail_the_run_once_with_what_to_do(
    deployment: Deployment, job: str, config: dict[str, Any], told: str
) -> None:
    result = deployment.run(job, **config)
    message = failure_of(result, f"{job}_action")
    assert (result.success, told in message) == (False, True)
    assert "example.org" not in message


def test_what_is_missing_in_the_launchpad_is_refused_before_anything_runs(
    deployment: Deployment,
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="key"):
        deployment.run("get_contact", fields=["city"])


def test_runs_that_keep_personal_data_can_be_found_by_their_tag(deployment: Deployment) -> None:
    jobs = ["get_contact", "get_contact_with_labels", "update_contact", "list_fields"]
    jobs += ["list_single_choices", "list_multi_choices", "trigger_event"]
    tags = {job: deployment.definitions.resolve_job_def(job).tags for job in jobs}
    assert {job for job in jobs if tags[job]["personal_data"] == "true"} == {
        *("get_contact", "get_contact_with_labels", "update_contact", "trigger_event")
    }


def test_an_answer_reaches_no_log(
    deployment: Deployment, mina: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        result = deployment.run("get_contact", key=EMAIL)
    logged = caplog.text + "".join(
        entry.user_message for entry in deployment.instance.all_logs(result.run_id)
    )
    assert "contact/getdata" in caplog.text
    assert [text for text in (EMAIL, NAME, "sandbox-secret") if text in logged] == []
    assert mina


def test_the_check_tells_the_end_of_wsse_as_a_warning(deployment: Deployment) -> None:
    result = deployment.run("account_ready")
    (found,) = result.get_asset_check_evaluations()
    assert (found.check_name, found.passed, found.severity) == (
        "account_ready",
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert found.description
    assert found.description.startswith("WSSE is switched off by Emarsys on 2026-12-31")
    assert isinstance(found.metadata["wsse_days_left/shop_de"].value, int)
    permissions = str(found.metadata["permissions"].value)
    assert "| shop_de | contact.update | not probed | pushing opt-ins" in permissions
    assert "| shop_de | 100400101 | Newsletter readers | 77 | no |" in str(
        found.metadata["segments"].value
    )
    check = deployment.definitions.get_repository_def().asset_graph.get(found.asset_check_key)
    assert "switches off on 2026-12-31: shop_de" in str(check.description)


def test_the_check_fails_for_an_account_that_is_not_ready(
    deployment: Deployment, sandbox: Sandbox
) -> None:
    sandbox.set_permissions(off=["export.segment"])
    try:
        (found,) = deployment.run("account_ready").get_asset_check_evaluations()
    finally:
        sandbox.set_permissions(on=["export.segment"])
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(found.description).startswith("export.segment is missing")


def test_an_import_does_not_ask_whether_accounts_are_ready(deployment: Deployment) -> None:
    job = deployment.definitions.resolve_job_def("segment_import")
    assert [key.name for key in job.asset_layer.asset_graph.asset_check_keys] != []
    assert "account_ready" not in {key.name for key in job.asset_layer.asset_graph.asset_check_keys}
