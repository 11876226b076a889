"""Tests of the stages, each against a real warehouse."""
