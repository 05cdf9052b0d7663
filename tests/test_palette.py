"""The colours: words and marks stand out from what lies behind them."""

import pytest

from adtrack.palette import DARK, LIGHT, SERIES, SHADES, Theme, ink_on

BOTH = pytest.mark.parametrize("theme", [LIGHT, DARK])


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast (WCAG 2), from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@BOTH
def test_series_differ_and_stand_out_from_the_ground(theme: Theme) -> None:
    assert len(set(SERIES)) == len(SERIES)
    assert all(contrast(shade, theme.ground) > 2.5 for shade in SERIES[:4])


@BOTH
def test_words_can_be_read_on_whatever_lies_behind_them(theme: Theme) -> None:
    """WCAG 2.1 asks for a contrast of 4.5 (success criterion 1.4.3)."""
    for words in (theme.ink, theme.soft, theme.alarm):
        assert contrast(words, theme.ground) >= 4.5 and contrast(words, theme.panel) >= 4.5
    assert contrast(theme.link, theme.ground) >= 4.5 and contrast(theme.ink, theme.best) >= 4.5


def test_numbers_can_be_read_on_the_shades_of_a_matrix() -> None:
    """They are large, of which WCAG 2.1 asks for a contrast of 3."""
    for place, shade in enumerate(SHADES):
        assert contrast(ink_on(place / (len(SHADES) - 1)), shade) >= 4
