"""Pages from templates: one HTML file each, in light and dark colours, without a network."""

from __future__ import annotations

from typing import Any

from hammingbird.errors import MissingExtraError
from hammingbird.report.canvas import DARK, LIGHT


def render(name: str, **content: Any) -> str:
    """Fill a template of this folder; a name that the template lacks is an error.

    Needs the ``report`` extra.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    pages = Environment(
        loader=PackageLoader("hammingbird", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    colors = {"light": LIGHT.variables(), "dark": DARK.variables()}
    return pages.get_template(name).render(**colors, **content)
