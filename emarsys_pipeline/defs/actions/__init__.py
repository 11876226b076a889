"""The seven actions on one account as jobs: configured in the Launchpad, answered as metadata."""
