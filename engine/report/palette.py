"""The colours of the report, once for light and once for dark.

Charts are drawn in the light colours; a browser in the dark scheme swaps each for its partner (``swaps``).
That asks that no two roles share a light colour. Gain and loss differ in lightness and in blue, so
they can be told apart by people who do not see red and green.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Scheme:
    """CSS colours by role."""

    paper: str  # of the page
    panel: str  # of cards and tables
    ink: str  # text
    muted: str  # text of the second rank
    line: str  # rules and grids
    accent: str  # the portfolio
    accent_soft: str
    gain: str
    gain_soft: str
    loss: str
    loss_soft: str
    gross: str  # before costs
    price: str  # of an instrument
    warn: str
    warn_soft: str
    series: tuple[str, ...]  # strategies, in their order


LIGHT = Scheme(
    paper="#faf9f6",
    panel="#ffffff",
    ink="#1d2127",
    muted="#646a73",
    line="#e3e0d8",
    accent="#274690",
    accent_soft="rgba(39,70,144,0.14)",
    gain="#0c7a5d",
    gain_soft="rgba(12,122,93,0.16)",
    loss="#bb3e26",
    loss_soft="rgba(187,62,38,0.16)",
    gross="#8d939c",
    price="#59606b",
    warn="#8a5a00",
    warn_soft="#fff4d9",
    series=("#c0781a", "#7a4fa3", "#1f8a9e", "#a3476f", "#5c7a1f", "#3f6fd0", "#9a6a4a", "#4d7d6b"),
)

DARK = Scheme(
    paper="#131519",
    panel="#1a1d22",
    ink="#e9e7e2",
    muted="#a0a6b0",
    line="#30343c",
    accent="#8fb1ff",
    accent_soft="rgba(143,177,255,0.18)",
    gain="#46c79e",
    gain_soft="rgba(70,199,158,0.20)",
    loss="#ff8b6f",
    loss_soft="rgba(255,139,111,0.20)",
    gross="#7d848f",
    price="#b3b9c3",
    warn="#f0bf5a",
    warn_soft="#322a17",
    series=("#eeb45e", "#c29dec", "#5fcbdd", "#ec93b9", "#b0cf6d", "#7fa8ff", "#d6a683", "#8fc2ae"),
)


def series_color(position: int, scheme: Scheme = LIGHT) -> str:
    """The colour of the strategy at this position; they repeat after eight."""
    return scheme.series[position % len(scheme.series)]


def swaps() -> dict[str, str]:
    """Light colour -> dark colour of the same role."""
    light, dark = asdict(LIGHT), asdict(DARK)
    single = {light[role]: dark[role] for role in light if role != "series"}
    return single | dict(zip(LIGHT.series, DARK.series, strict=True))


def css_variables(scheme: Scheme) -> dict[str, str]:
    """Custom property -> colour, the property named for the role."""
    roles = {role.replace("_", "-"): color for role, color in asdict(scheme).items() if role != "series"}
    return roles | {f"series-{position}": color for position, color in enumerate(scheme.series)}
