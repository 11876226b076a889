"""Tests of the sandbox: a real server, and the API reference as tables of cases."""
