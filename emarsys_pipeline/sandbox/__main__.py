"""``python -m emarsys_pipeline.sandbox``: serves the sandbox from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from emarsys_pipeline.sandbox.serve import (
    DEFAULT_CONTACTS,
    DEFAULT_PORT,
    DEFAULT_SEED,
    Credentials,
    serve,
)


def main() -> None:
    """Read the arguments and serve."""
    default = Credentials()
    parser = argparse.ArgumentParser(prog="emarsys_pipeline.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 chooses a free port")
    parser.add_argument("--contacts", type=int, default=DEFAULT_CONTACTS)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--state", type=Path, help="DuckDB file; temporary when not given")
    parser.add_argument("--no-rate-limit", action="store_true", help="never answer 429 by itself")
    parser.add_argument("--username", default=default.username)
    parser.add_argument("--secret", default=default.secret)
    parser.add_argument("--client-id", default=default.client_id)
    parser.add_argument("--client-secret", default=default.client_secret)
    parser.add_argument("--json", action="store_true", help="announce readiness as one JSON line")
    parser.add_argument(
        "--stop-at-end-of-input", action="store_true", help="end with the process that started it"
    )
    given = parser.parse_args()
    serve(
        port=given.port,
        contacts=given.contacts,
        seed=given.seed,
        state_path=given.state,
        has_rate_limit=not given.no_rate_limit,
        credentials=Credentials(
            username=given.username,
            secret=given.secret,
            client_id=given.client_id,
            client_secret=given.client_secret,
        ),
        as_json=given.json,
        stops_at_end_of_input=given.stop_at_end_of_input,
    )


if __name__ == "__main__":
    main()
