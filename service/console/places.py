"""Where the console's pages are, and where a browser may be sent after it has signed in."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

HOME = "/console"
SIGN_IN = "/signin"


def is_page(path: str) -> bool:
    """Whether a path is that of a page of the console."""
    return path in {HOME, SIGN_IN} or path.startswith(HOME + "/")


def sign_in_address(path: str, query: str = "") -> str:
    """The page to sign in at, to come back from to where one wanted to go."""
    return f"{SIGN_IN}?next={quote(f'{path}?{query}' if query else path, safe='/')}"


def safe_next(wanted: str | None) -> str:
    """Where to go after signing in: a page of the console, and never another site; home for anything else."""
    if wanted is None or "\\" in wanted or not wanted.isprintable():
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    is_ours = not parts.scheme and not parts.netloc and is_page(parts.path) and ".." not in parts.path
    return wanted if is_ours else HOME
