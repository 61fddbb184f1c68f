"""A real Chromium, and what is asked of every page that is opened in it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = {1280: 900, 390: 844}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
PICTURES = Path(os.environ["CDMT_SCREENSHOTS"]) if os.environ.get("CDMT_SCREENSHOTS") else None
MAX_PICTURE_BYTES = 150_000
PICTURED = {
    (name, width, scheme)
    for name in ("home", "generate", "jobs", "job")
    for width, scheme in ((1280, "light"), (390, "dark"))
} | {(name, 1280, "light") for name in ("upload", "training", "models", "admin")}
MAX_TABS = 60
PATIENCE_MS = 60_000  # a busy machine is slow, and what is awaited comes as soon as it does

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Watched:
    """A page, and everything about it that must not be: what its console says, and requests to other hosts."""

    page: Page
    host: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        """Errors and warnings; violations of the content security policy are errors, too."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({self.page.url})")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.complaints.append(f"request to {request.url}")

    def check_accessible(self, name: str) -> None:
        """No serious finding of axe-core at either size, light or dark, and nothing wider than the screen."""
        for width, height in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                found = [f"{name}, {width}, {scheme}: {one}" for one in _findings(self.page, scheme)]
                assert not found, "\n".join(found)
                if (name, width, scheme) in PICTURED:
                    _picture(self.page, f"console-{name}-{width}-{scheme}.png")
            wider = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wider <= 0, f"{name} at {width}: {wider} pixels too wide"
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="light")

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until the element has the focus, as somebody without a mouse does."""
        for _ in range(MAX_TABS):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way to {wanted} by Tab")

    def press(self, wanted: Locator, key: str) -> None:
        """Go to an element by Tab, and press a key there."""
        self.tab_to(wanted)
        self.page.keyboard.press(key)


def run_shown(page: Page, language: Literal["curl", "python"], *, key: str, folder: Path, then: str = "") -> str:
    """Run the command that the page shows, as somebody who pastes it does; what it prints, with `then` after it."""
    text = f"{page.locator(f'[data-code={language}]').text_content()}\n{then}"
    command = ["bash", "-euc"] if language == "curl" else [sys.executable, "-c"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("CDMT_")} | {"CDMT_API_KEY": key}
    ran = subprocess.run(
        [*command, text], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, f"{text}\n{ran.stderr}"
    return ran.stdout


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Skips the test, and says so, where there is no Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium to look at the console with (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(browser: Browser, base_url: str) -> Iterator[Watched]:
    """A page of a fresh browser profile; at the end nobody must have complained."""
    context = browser.new_context(base_url=base_url, viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    seen = Watched(context.new_page(), urlsplit(base_url).netloc)
    yield seen
    context.close()
    assert not seen.complaints, "\n".join(seen.complaints)


def _findings(page: Page, scheme: str) -> list[str]:
    options: dict[str, Any] = {"resultTypes": ["violations"], "iframes": False}  # the report has tests of its own
    if scheme == "dark":  # differs in its colours alone
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def _picture(page: Page, name: str) -> None:
    """A picture for the documentation, where one asks for them."""
    if PICTURES is None:
        return
    PICTURES.mkdir(parents=True, exist_ok=True)
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    taken.convert("RGB").quantize(64).save(PICTURES / name, optimize=True)
    assert (PICTURES / name).stat().st_size < MAX_PICTURE_BYTES, name
