"""opt_in_deltas and opt_in_pushes: which opt-in fields must change, and the outbox to Emarsys."""
