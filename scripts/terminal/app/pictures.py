"""The screen as a picture, and files that a person asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from textual.app import App

if TYPE_CHECKING:
    from scripts.terminal.app.desk import Desk


def picture(desk: Desk, text: str) -> str | None:
    """The command `picture FILE`."""
    if not text:
        desk.typed = "picture "
        return None
    # Not now: the screen still shows the line that asks for it.
    desk.call_after_refresh(lambda: desk.say(written(text, screen_picture(desk.app), "The screen")))
    return ""


def screen_picture(app: App[Any]) -> str:
    """The screen as an SVG, in whatever fixed-width font is there: Textual's would be loaded from the network."""
    return re.sub(r"@font-face \{.*?\}\s*", "", app.export_screenshot(), flags=re.DOTALL)


def written(name: str, content: str | bytes, what: str) -> str:
    """Write a new file; what to say of it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with open(name, "xb") as file:
            file.write(data)
    except FileExistsError:
        return f"There is a file {name} already: it stays as it is."
    except OSError as error:
        return f"{name}: {error.strerror}."
    return f"{what} is in {name}."
