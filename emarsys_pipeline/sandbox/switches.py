"""What can be switched where the sources on Emarsys disagree or say nothing."""

from typing import Any

SWITCHES: dict[str, Any] = {
    # Several real clients reuse one nonce for days, so Emarsys evidently does not refuse it.
    "refuse_reused_nonces": False,
    "max_skew_seconds": 300,
    # Added to the server's clock when it judges Created, and in the Date header.
    "clock_skew_seconds": 0,
    "enforce_rate_limit": True,
    "requests_per_minute": 1000,
    "token_lifetime_seconds": 3600,
    # text/html was recorded on real JSON answers.
    "json_content_type": "application/json",
    "user_id_in_segment_exports": False,
    "user_id_in_changes_exports": True,
    "changes_end_day_is_inclusive": False,
    "csv_line_end": "\r\n",
    "csv_byte_order_mark": False,
    "repeat_header_on_offset": False,
    # Between the moment an export is started and the moment it may be done.
    "export_delay_seconds": 0.0,
    "export_retention_days": 7,
    # How often any segment answers 202 before its first result; slow ones always do.
    "evaluations_before_result": 0,
    "run_polls_before_done": 1,
    # getdata: how an empty value, an error's code and a wholly empty result are written.
    "empty_value_is_null": True,
    "error_codes_are_text": False,
    "empty_result_is_absent": False,
    # Accounts with Interactions are told what listens to a triggered event.
    "has_interactions": False,
    # Accounts without Interactions are still told when an event starts nothing (5005).
    "refuse_events_that_start_nothing": False,
    # The other documented code for a contact that exists already is 2006.
    "existing_contact_code": 2009,
    # Codes 3001 to 3005 are documented under 400 and under 500, 3006 under 404 and under 400.
    "contact_list_refusal_status": 400,
    "missing_contact_list_status": 404,
    # How many fields of one type can be created by API.
    "field_slots": 50,
    # GET field: whether ids are text.
    "field_ids_are_text": False,
    # Whether the choices of a field that has none are an empty list instead of a refusal.
    "missing_choices_are_empty": False,
}
