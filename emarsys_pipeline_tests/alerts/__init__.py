"""Tests of alerts, against receivers that are real servers."""
