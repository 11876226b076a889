"""Tests of the Emarsys client, against real servers on loopback."""
