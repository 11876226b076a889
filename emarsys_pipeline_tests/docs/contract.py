"""The contract of the published views: compares it with the code, or declares the code's.

``python -m emarsys_pipeline_tests.docs.contract [--declare]``: exit code 1 if a published column
has changed and nobody has declared it.
"""

import json
import sys
from collections.abc import Iterator

from emarsys_pipeline_tests.docs.analytics_pages import DECLARE, contract
from emarsys_pipeline_tests.docs.pages import ROOT

CONTRACT = ROOT / "contracts" / "analytics.json"


def differences(declared: str, found: str) -> Iterator[str]:
    """Each view and column that is not as declared."""
    before, after = json.loads(declared), json.loads(found)
    for view in sorted(before.keys() | after.keys()):
        old, new = before.get(view, {}), after.get(view, {})
        for column in sorted(old.keys() | new.keys()):
            if old.get(column) != new.get(column):
                was, now = old.get(column, "absent"), new.get(column, "absent")
                yield f"{view}.{column}: declared {was}, found {now}"


def main() -> int:
    """Compare, or declare."""
    found = contract()
    if "--declare" in sys.argv[1:]:
        CONTRACT.write_text(found, encoding="utf-8")
        return 0
    wrong = list(differences(CONTRACT.read_text(encoding="utf-8"), found))
    if wrong:
        sys.stderr.write("\n".join([*wrong, f"declare with: {DECLARE}", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
