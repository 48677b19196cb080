"""The pictures of docs/screens can be made anew, are all shown by the README, and are small."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.integration.api.servers import Postgres
from tests.screens import FOLDER, SCREENS, write

MOST_BYTES = 150_000


def test_pictures_are_made_anew(browser: Browser, postgres: Postgres, tmp_path: Path) -> None:
    # Another machine has other fonts: what is kept is not compared with what is made, pixel by pixel.
    write(tmp_path, browser, postgres)
    made, kept = ({path.name: path.stat().st_size for path in folder.iterdir()} for folder in (tmp_path, FOLDER))
    assert set(made) == set(kept) == {name for name, *_ in SCREENS}
    assert all(10_000 < size < MOST_BYTES for size in (made | kept).values()), (made, kept)


def test_readme_shows_each_picture() -> None:
    readme = (FOLDER.parent.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"docs/screens/{name}" in readme for name, *_ in SCREENS)
