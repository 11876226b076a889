"""Tests of the inbox and the webhook service."""
