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


def test_numbers_of_an_axis_are_whole(tmp_path):
    """Places are cut to two decimals, what stands beside ticks is not."""
    line = Line("loss", [(0, 0.425), (1, 0.475), (2, 0.625)])
    save_panels(tmp_path / "panels.svg", [line_panel("training", "epoch", "loss", [line])])
    text = (tmp_path / "panels.svg").read_text("utf-8")
    assert ">0.475<" in text
    assert ">0.47<" not in text


def test_numbers_of_a_logarithmic_axis_are_written_out(tmp_path):
    line = Line("error", [(0.05, 1.0), (20_000, 0.5), (2_000_000, 0.2)])
    save_panels(tmp_path / "panels.svg", [line_panel("t", "seen", "error", [line], log_x=True)])
    text = (tmp_path / "panels.svg").read_text("utf-8")
    assert ">1,000,000<" in text
    assert ">0.1<" in text
    assert "mathdefault" not in text
