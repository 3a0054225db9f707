# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""Plots of a run: CPU per message by size and by number of connections."""

import plot
from comparison.figures import median, servers_of

SIZES = {"20B": "20 B", "125B": "125 B", "1KiB": "1 KiB", "16KiB": "16 KiB"}
PLOTS = {
    "inflight-1.svg": ("CPU µs per message by size, 100 connections, 1 in flight",
                       {f"100x1x{size}": place for size, place in SIZES.items()}),
    "inflight-16.svg": ("CPU µs per message by size, 100 connections, 16 in flight",
                        {f"100x16x{size}": place for size, place in SIZES.items()}),
    "connections.svg": ("CPU µs per message by connections, 1 in flight, 20 B",
                        {f"{count}x1x20B": f"{count:,}" for count in (1, 100, 1000, 10000)}),
}


def pictures(points):
    """File name -> title and SVG, where at least two places of a plot were measured."""
    drawn = {}
    for name, (title, places) in PLOTS.items():
        measured = {key: place for key, place in places.items() if points.get(key)}
        servers = list(dict.fromkeys(
            server for key in measured for server in servers_of(points[key])))
        series = {server: {place: median(points[key], server, "cpu")
                           for key, place in measured.items()
                           if server in servers_of(points[key])}
                  for server in servers}
        # The first series names the places.
        series = dict(sorted(series.items(), key=lambda item: -len(item[1])))
        if len(measured) > 1:
            drawn[name] = title, plot.lines(title, "µs", series)
    return drawn
