# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Plots of a run: CPU per message by size and by connections, and Apus by those near it."""

from xml.sax.saxutils import escape

import plot
from comparison.figures import BASE, median, paired_ratios, quartiles, servers_of
from comparison.targets import FLOORS, TARGETS, UWEBSOCKETS

SIZES = {"20B": "20 B", "125B": "125 B", "1KiB": "1 KiB", "16KiB": "16 KiB"}
PLOTS = {
    "inflight-1.svg": ("CPU µs per message by size, 100 connections, 1 in flight",
                       {f"100x1x{size}": place for size, place in SIZES.items()}),
    "inflight-16.svg": ("CPU µs per message by size, 100 connections, 16 in flight",
                        {f"100x16x{size}": place for size, place in SIZES.items()}),
    "connections.svg": ("CPU µs per message by connections, 1 in flight, 20 B",
                        {f"{count}x1x20B": f"{count:,}" for count in (1, 100, 1000, 10000)}),
}
NEAR = {name: colour for name, colour in zip(
    (*UWEBSOCKETS, "wslay", *FLOORS), ("#1f6f97", "#c4632b", "#4c9f38", "#888888", "#444444"))}
LEFT, WIDTH, TOP, ROW = 170, 560, 60, 34
LOW, HIGH = 0.6, 1.4


def by_place(points, places):
    """server -> place -> CPU per message; who was measured at most places comes first."""
    measured = {key: place for key, place in places.items() if points.get(key)}
    servers = dict.fromkeys(server for key in measured for server in servers_of(points[key]))
    series = {server: {place: median(points[key], server, "cpu")
                       for key, place in measured.items() if server in servers_of(points[key])}
              for server in servers}
    return dict(sorted(series.items(), key=lambda item: -len(item[1])))


def x_of(ratio):
    return LEFT + (min(max(ratio, LOW), HIGH) - LOW) / (HIGH - LOW) * WIDTH


def vertical(ratio, top, bottom, colour, width=1):
    x = x_of(ratio)
    return (f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}"'
            f' stroke-width="{width}"/>')


def words(x, y, text, anchor="start", size=12):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
            f' fill="#222">{escape(text)}</text>')


def near(points):
    """Apus by the servers near it: a row for each point, medians with their quartiles."""
    rows = [key for key in points if key != "memory"
            and BASE in servers_of(points[key]) and set(NEAR) & set(servers_of(points[key]))]
    wanted = {target.point: target.limit for target in TARGETS if target.against == UWEBSOCKETS}
    bottom = TOP + ROW * len(rows)
    width, height = LEFT + WIDTH + 170, max(bottom, TOP + 20 * len(NEAR)) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
             ' font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             words(20, 24, "Apus : it, medians and quartiles; left of 1 Apus takes less", size=15)]
    for step in range(9):
        ratio = LOW + step / 10
        parts.append(vertical(ratio, TOP - 6, bottom, "#222" if step == 4 else "#ddd"))
        parts.append(words(x_of(ratio), bottom + 16, f"{ratio:.1f}", "middle"))
    for number, key in enumerate(rows):
        top = TOP + ROW * number
        parts.append(words(LEFT - 12, top + ROW / 2 + 4, key, "end"))
        if key in wanted:
            parts.append(vertical(wanted[key], top + 2, top + ROW - 2, "#b5327a", 2))
        reading = "p99" if key == "latency" else "cpu"
        for place, (server, colour) in enumerate(NEAR.items()):
            ratios = paired_ratios(points[key], BASE, server, reading)
            if not ratios:
                continue
            low, middle, high = quartiles(ratios)
            y = top + 5 + place * (ROW - 10) / (len(NEAR) - 1)
            parts.append(f'<line x1="{x_of(low):.1f}" y1="{y:.1f}" x2="{x_of(high):.1f}"'
                         f' y2="{y:.1f}" stroke="{colour}" stroke-width="2"/>')
            parts.append(f'<circle cx="{x_of(middle):.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
    for place, (server, colour) in enumerate([*NEAR.items(), ("wanted", "#b5327a")]):
        x, y = LEFT + WIDTH + 16, TOP + place * 20
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(words(x + 18, y + 10, server))
    return "\n".join([*parts, "</svg>", ""]) if rows else None


def pictures(points):
    """File name -> title and SVG, where enough was measured to draw it."""
    drawn = {}
    ratios = near(points)
    if ratios is not None:
        drawn["near.svg"] = "Apus by the servers near it", ratios
    for name, (title, places) in PLOTS.items():
        series = by_place(points, places)
        if series and len(next(iter(series.values()))) > 1:
            drawn[name] = title, plot.lines(title, "µs", series)
    return drawn
