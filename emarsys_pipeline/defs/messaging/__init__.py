"""platform_contacts and consent_events: what the messaging side told, by window of arrival."""
