"""Keeps SAP Emarsys and a conversational-messaging contact store in step."""
