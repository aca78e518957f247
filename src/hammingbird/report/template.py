"""Pages from templates: one HTML file each, in light and dark colours, without a network."""

from __future__ import annotations

from typing import Any

from hammingbird.errors import MissingExtraError
from hammingbird.report.canvas import DARK, LIGHT


def render(name: str, room: str = "report", **content: Any) -> str:
    """Fill a template of a room, which may import those here; a name that it lacks is an error.

    Needs the ``report`` extra.
    """
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    rooms = [PackageLoader("hammingbird", folder) for folder in (room, "report")]
    pages = Environment(
        loader=ChoiceLoader(rooms),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    colors = {"light": LIGHT.variables(), "dark": DARK.variables()}
    return pages.get_template(name).render(**colors, **content)
