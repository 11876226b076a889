"""Tests of the client of the messaging platform."""
