"""contact_upserts and contact_upsert_pushes: what the messaging side learns of each person."""
