"""Tests of the warehouse: locks, transactions, schema, publishing."""
