"""What people see in the Dagster UI, in a real browser."""
