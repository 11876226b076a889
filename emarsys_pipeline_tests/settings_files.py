"""A settings file that is right, and what the tests of settings do with it."""

from pathlib import Path

VALID = """\
windows: {start: 2026-01-01T00:00:00Z}
accounts:
  - name: shop_de
    connection: {auth: wsse, username: ${SHOP_USERNAME}, secret: ${SHOP_SECRET}}
    default_region: DE
    segments: [100400101]
    fields:
      - {emarsys: 3, as: email, identifier: email}
      - {emarsys: 37, as: mobile, identifier: phone}
    opt_in: {field: whatsapp_opt_in}
"""
LAKE = """
lake:
  catalog: ${TEST_CATALOG}
  data_path: FOLDER
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def written_with_lake(tmp_path: Path) -> Path:
    """Settings whose lake has its files in the folder and its catalogue in TEST_CATALOG."""
    return written(tmp_path, VALID + LAKE.replace("FOLDER", f"{tmp_path}/lake/"))
