"""Takes messages about messaging-side contacts from the inbox into ``platform_contacts``.

Reads the inbox; writes platform_contacts, one row per message. A second run adds nothing, since a
message that is in the table already is passed over. Nothing makes it stop: messages were checked
at the door, and a phone number or e-mail address that is not valid is kept as it was written,
without a normalised form.
"""

from dataclasses import dataclass

from emarsys_pipeline.inbox import Inbox
from emarsys_pipeline.stages.erased import drop_erased_messages
from emarsys_pipeline.stages.identifiers import register_normalisers
from emarsys_pipeline.warehouse import Warehouse, load_sql
from emarsys_pipeline.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformContactsIngested:
    """What one ingestion added, in rows."""

    added: int
    invalid_phone_numbers: int
    invalid_email_addresses: int


def ingest_platform_contacts(
    warehouse: Warehouse, inbox: Inbox, window: Window, *, default_region: str
) -> PlatformContactsIngested:
    """Add the messages received in a window that the table does not hold yet.

    Args:
        warehouse: where platform_contacts lives.
        inbox: the messages.
        window: messages received in it become its partition.
        default_region: ISO country of phone numbers written without a country code.
    """
    incoming = inbox.fetch("contact", received_from=window.start, received_to=window.end)
    if incoming.num_rows == 0:
        return PlatformContactsIngested(added=0, invalid_phone_numbers=0, invalid_email_addresses=0)
    with warehouse.write() as connection:
        register_normalisers(connection)
        connection.register("incoming_contacts", incoming)
        connection.execute(
            load_sql(__package__, "add_platform_contacts.sql"),
            {"window_start": window.start, "default_region": default_region},
        )
        connection.unregister("incoming_contacts")
        drop_erased_messages(
            connection,
            inbox,
            "added_contacts",
            {
                "platform": "platform_contact_id",
                "phone": "phone_number",
                "email": "email_address",
            },
        )
        ((added, phones, emails),) = connection.execute(
            "select count(*),"
            " count(*) filter (phone is not null and phone_number is null),"
            " count(*) filter (email is not null and email_address is null) from added_contacts"
        ).fetchall()
        connection.execute("insert into platform_contacts by name from added_contacts")
        connection.execute("drop table added_contacts")
    return PlatformContactsIngested(
        added=added, invalid_phone_numbers=phones, invalid_email_addresses=emails
    )
