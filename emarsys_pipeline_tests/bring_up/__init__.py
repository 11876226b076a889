"""What ``docs/deploy.md`` says, done on one machine with real servers.

``python -m emarsys_pipeline_tests.bring_up`` for people; ``test_bring_up.py`` for CI.
"""
