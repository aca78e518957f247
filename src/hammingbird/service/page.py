"""The page: one HTML document that asks this service and nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from hammingbird.report.template import render


def page() -> tuple[bytes, str]:
    """The document, and the policy that lets nothing but its own script and style in."""
    html = render("page.html", room="service")
    parts = {
        kind: " ".join(
            f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{kind}>(.*?)</{kind}>", html, re.DOTALL)
        )
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {parts['script']}; style-src {parts['style']}; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return html.encode(), policy
