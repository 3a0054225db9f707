# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Plots as SVG, in nothing but Python: lines or groups of bars on a logarithmic axis."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#9ec9dd", "#4fa3c7", "#1f6f97", "#0b3954", "#e0a03f", "#c4632b", "#8f2d1f", "#7a5cc2",
           "#4c9f38", "#888888", "#b5327a", "#c9c04a"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 930, 460, 60, 220, 40, 50


class Plot:
    def __init__(self, title, unit, low, high):
        self.low, self.high = math.log10(low), math.log10(high)
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            ' font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        ]
        self.text(LEFT, 22, title, size=15)
        self.text(LEFT - 8, TOP - 4, unit, anchor="end")
        for power in range(math.floor(self.low), math.ceil(self.high) + 1):
            for digit in (1, 2, 5):
                value = digit * 10**power
                if low <= value <= high:
                    y = self.y(value)
                    self.line(LEFT, y, WIDTH - RIGHT, y, "#ddd")
                    self.text(LEFT - 8, y + 4, f"{value:g}", anchor="end")

    def y(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - max(part, 0) * (HEIGHT - TOP - BOTTOM)

    def line(self, x1, y1, x2, y2, colour):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'
        )

    def text(self, x, y, words, anchor="start", size=12):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
            f' fill="#222">{escape(words)}</text>'
        )

    def legend(self, names):
        for number, name in enumerate(names):
            x, y = WIDTH - RIGHT + 16, TOP + 8 + number * 20
            colour = COLOURS[number % len(COLOURS)]
            self.parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
            self.text(x + 18, y + 10, name)

    def svg(self):
        return "\n".join([*self.parts, "</svg>", ""])


def bounds(series):
    values = [value for line in series.values() for value in line.values()]
    return min(values) / 1.3, max(values) * 1.3


def lines(title, unit, series):
    """series: name -> {place: value}, the places in their order."""
    plot = Plot(title, unit, *bounds(series))
    places = list(next(iter(series.values())))
    step = (WIDTH - LEFT - RIGHT) / len(places)
    for number, place in enumerate(places):
        plot.text(LEFT + step * (number + 0.5), HEIGHT - BOTTOM + 20, place, anchor="middle")
    for number, line in enumerate(series.values()):
        colour = COLOURS[number % len(COLOURS)]
        points = [
            (LEFT + step * (places.index(place) + 0.5), plot.y(value))
            for place, value in line.items()
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        plot.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        plot.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
                       for x, y in points]
    plot.legend(series)
    return plot.svg()


def bars(title, unit, series):
    """The same with a group of bars for each place."""
    plot = Plot(title, unit, *bounds(series))
    places = list(next(iter(series.values())))
    step = (WIDTH - LEFT - RIGHT) / len(places)
    width = step * 0.8 / len(series)
    for group, place in enumerate(places):
        start = LEFT + step * (group + 0.1)
        plot.text(start + step * 0.4, HEIGHT - BOTTOM + 20, place, anchor="middle")
        for number, line in enumerate(series.values()):
            top = plot.y(line[place])
            plot.parts.append(
                f'<rect x="{start + width * number:.1f}" y="{top:.1f}" width="{width - 1:.1f}"'
                f' height="{HEIGHT - BOTTOM - top:.1f}"'
                f' fill="{COLOURS[number % len(COLOURS)]}"/>'
            )
    plot.legend(series)
    return plot.svg()
