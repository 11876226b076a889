"""The pages of ``docs/`` that are generated, and tests that all of them are true."""
