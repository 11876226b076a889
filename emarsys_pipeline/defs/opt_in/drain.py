"""The outboxes of all accounts, drained one after the other."""

from dataclasses import dataclass
from datetime import UTC, datetime

from emarsys_pipeline.defs.resources import EmarsysAccounts
from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.settings import Settings
from emarsys_pipeline.stages.opt_in_pushes import OptInPushed, make_refresh, push_account
from emarsys_pipeline.stages.progress import Progress
from emarsys_pipeline.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxDrain:
    """Sends what is due to each account; the error of one is kept and the others go on."""

    settings: Settings
    warehouse: Warehouse
    inbox: Inbox
    emarsys: EmarsysAccounts
    run_id: str
    progress: Progress

    def push(self) -> tuple[dict[str, OptInPushed], dict[str, Exception]]:
        """Drain the outbox of each account that has an opt-in field.

        Returns:
            What was sent, and what went wrong, both by account.
        """
        pushed: dict[str, OptInPushed] = {}
        errors: dict[str, Exception] = {}
        # Looked at before each request, so that no value is sent that was already superseded.
        refresh = make_refresh(
            self.inbox,
            self.settings.windows.grid,
            accounts=self.settings.accounts,
            default_region=self.settings.accounts[0].default_region,
            run_id=self.run_id,
            now=lambda: datetime.now(UTC),
        )
        for account in self.settings.accounts:
            if account.opt_in is None:
                continue
            try:
                with self.emarsys.client(account.name) as client:
                    pushed[account.name] = push_account(
                        self.warehouse,
                        client,
                        account,
                        pushes=self.settings.pushes,
                        run_id=self.run_id,
                        refresh=refresh,
                        progress=self.progress,
                    )
            except Exception as error:  # noqa: BLE001 one account must not hold up the others
                errors[account.name] = error
        return pushed, errors
