"""Prints precision and recall of identities on the sandbox's default data.

It starts a sandbox, imports its account over HTTP as the demo does, stitches it with several
settings of the guards, and compares pairs of contacts with the persons that the sandbox knows.
The exit code is 1 if the default settings have a precision below 0.85, or a lower recall than no
guard at all.

Run it with ``python -m benchmarks.identity_quality``; ``--contacts`` makes another account.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.identity_quality.measure import import_all, judge
from emarsys_pipeline.sandbox.process import running_sandbox

LEAST_PRECISION = 0.85


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--contacts", type=int, default=25_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with (
        TemporaryDirectory() as folder,
        running_sandbox(contacts=chosen.contacts, seed=chosen.seed) as sandbox,
    ):
        settings, window = import_all(sandbox, Path(folder))
        found, shares = judge(settings, window, sandbox)

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")

    def share(contacts: int) -> str:
        return f"{contacts:,} of {shares.contacts:,} contacts ({contacts / shares.contacts:.1%})"

    say(f"sandbox of {chosen.contacts:,} contacts, seed {chosen.seed}; contacts of both sides")
    say(f"share an identifier with another person: {share(shares.sharing)}")
    say(f"have an invalid or placeholder identifier: {share(shares.with_junk)}")
    say(f"reach their person's first contact through others only: {share(shares.chained)}")
    say("")
    say("| guards | merged pairs | precision | recall | largest | identities | persons |")
    say("|---|---|---|---|---|---|---|")
    for name, quality in found.items():
        say(
            f"| {name} | {quality.merged_pairs:,} | {quality.precision:.4f} "
            f"| {quality.recall:.4f} | {quality.largest:,} | {quality.identities:,} "
            f"| {quality.persons:,} |"
        )
    guarded, unguarded = found["default settings"], found["no guard"]
    is_good = guarded.precision >= LEAST_PRECISION and guarded.recall >= unguarded.recall
    say("")
    say(
        f"default settings: precision {guarded.precision:.4f} (at least {LEAST_PRECISION}), recall "
        f"{guarded.recall:.4f} (no guard: {unguarded.recall:.4f}): "
        + ("holds" if is_good else "DOES NOT HOLD")
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
