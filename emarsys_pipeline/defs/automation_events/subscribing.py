"""A sensor for code that acts on automation events, one after the other.

    from emarsys_pipeline.defs.automation_events import automation_event_sensor

    def greet(event: AutomationEvent) -> dg.RunRequest | None:
        if event.event_name != "abandoned_cart" or event.identity_id is None:
            return None
        return dg.RunRequest(run_key=event.message_id, tags={"identity": event.identity_id})

    greeter = automation_event_sensor("greet", greet, job_name="greeting")
    defs = dg.Definitions.merge(our_definitions, dg.Definitions(sensors=[greeter], jobs=[...]))

Each event is given to the handler in the order in which it arrived, and at least once: the position
is stored after the handlers of a tick have returned, so that a crash in between gives the same
events again. A handler that raises is given the same event at the next tick, and the later ones
wait. Use ``message_id`` (for a run its ``run_key``) where twice would be wrong.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from emarsys_pipeline.defs.labels import OWNERS
from emarsys_pipeline.defs.resources import WarehouseResource
from emarsys_pipeline.stages.automation_events import AutomationEvent, events_after

Handler = Callable[[AutomationEvent], dg.RunRequest | Sequence[dg.RunRequest] | None]

EVENTS_PER_TICK = 100


def automation_event_sensor(
    name: str,
    handler: Handler,
    *,
    job_name: str | None = None,
    events_per_tick: int = EVENTS_PER_TICK,
    interval_seconds: int = 15,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """A sensor that gives each automation event to a handler, in order, at least once.

    Args:
        name: the sensor's name; its position is kept under it.
        handler: acts on one event; may answer with runs of ``job_name`` to start.
        job_name: the job of those runs.
        events_per_tick: how many events one tick hands over; the rest follows at the next.
        interval_seconds: the time between two ticks.
        default_status: whether it is on before somebody has switched it.
    """

    @dg.sensor(
        name=name,
        job_name=job_name,
        minimum_interval_seconds=interval_seconds,
        default_status=default_status,
        owners=OWNERS,
        description="Gives each automation event to a handler, in order, at least once.",
    )
    def subscriber(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource
    ) -> dg.SensorResult:
        store = warehouse.without_migration()
        if not store.is_published:
            return dg.SensorResult(skip_reason="Nothing has been published yet.")
        cursor = int(context.cursor or 0)
        requests: list[dg.RunRequest] = []
        for event in events_after(store, cursor, at_most=events_per_tick):
            try:
                answer = handler(event)
            except Exception:
                if cursor == int(context.cursor or 0):
                    raise  # nothing to keep, and the tick must show the error
                context.log.exception("the handler failed; its event is given again")
                break
            cursor = event.inbox_sequence
            requests += _listed(answer)
        if cursor == int(context.cursor or 0):
            return dg.SensorResult(skip_reason="No automation event is new.")
        return dg.SensorResult(run_requests=requests, cursor=str(cursor))

    return subscriber


def _listed(
    answer: dg.RunRequest | Sequence[dg.RunRequest] | None,
) -> Sequence[dg.RunRequest]:
    if answer is None:
        return []
    return [answer] if isinstance(answer, dg.RunRequest) else answer
