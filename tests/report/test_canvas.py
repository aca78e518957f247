"""Drawings that stand by themselves."""

from hammingbird.report.axes import Line, line_panel
from hammingbird.report.canvas import save_panels


def test_the_legend_names_the_lines_of_all_panels(tmp_path):
    one, other = Line("one", [(1, 0.1), (2, 0.2)]), Line("other", [(1, 0.3), (2, 0.4)])
    panels = [
        line_panel(title, "bits", "map", lines)
        for title, lines in (("claimed", [one]), ("found", [other, one]))
    ]
    save_panels(tmp_path / "panels.svg", panels)
    text = (tmp_path / "panels.svg").read_text("utf-8")
    assert text.count(">one<") == text.count(">other<") == 1
