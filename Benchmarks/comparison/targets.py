# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""What Apus should reach, and whether it did: medians of paired ratios, ours by theirs.

Of several servers to be measured against, the best at that point counts.
"""

import dataclasses

from comparison import memory
from comparison.figures import BASE, best_of, paired_ratios, quartiles, servers_of

LIBUV, EPOLL = "uwebsockets", "uwebsockets-epoll"
UWEBSOCKETS = (LIBUV, EPOLL)
FLOORS = ("tcp", "tcp-uring")
# The accept key of wslay's server is ours.
HANDSHAKING = (*UWEBSOCKETS, "libwebsockets", "nio", "gorilla", "ws", "picows", "websockets",
               "flyingfox")
NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Target:
    what: str
    point: str
    against: tuple
    limit: float
    reading: str = "cpu"


def cpu(point, limit):
    return Target("CPU per message", point, UWEBSOCKETS, limit)


TARGETS = [
    *(cpu(point, 0.90) for point in ("100x1x20B", "100x1x125B", "100x1x1KiB")),
    *(cpu(point, 0.82) for point in ("100x16x20B", "100x16x125B", "100x16x1KiB")),
    *(cpu(point, 0.95) for point in ("100x1x16KiB", "10x1x1MiB")),
    Target("CPU per message", "100x1x20B", FLOORS, 1.05),
    Target("CPU per message", "100x16x20B", ("nio",), 1 / 12),
    *(Target("CPU per message", "100x16x20B", (name,), 1 / 20)
      for name in ("gorilla", "picows", "ws")),
    Target("CPU per compressed message", "100x1x1KiBjson", (LIBUV,), 1.0),
    Target("CPU per delivered message", "fanout", UWEBSOCKETS, 0.85),
    Target("p99 latency", "latency", UWEBSOCKETS, 1.0, "p99"),
    Target("CPU per handshake", "churn", HANDSHAKING, 1.0),
]
OTHER_POINTS_LIMIT = 1.0
BYTES_PER_CONNECTION = 256


@dataclasses.dataclass(frozen=True)
class Verdict:
    what: str
    point: str
    against: str
    wanted: str
    found: str = NOT_MEASURED
    is_met: bool | None = None  # None: not known
    ratio: float = 0.0
    floor: str = ""  # the better bare echo by the same server: no server can be far below


def judge_ratio(target, rows):
    rival = best_of(rows, target.against, target.reading)
    ratios = paired_ratios(rows, BASE, rival, target.reading) if rival else []
    wanted = f"≤ {target.limit:.3g}"
    if not ratios:
        names = " or ".join(target.against) if len(target.against) < 3 else "any peer"
        return Verdict(target.what, target.point, names, wanted)
    low, middle, high = quartiles(ratios)
    found = f"{middle:.3f} ({low:.3f}–{high:.3f})"
    verdict = Verdict(target.what, target.point, rival, wanted, found, middle <= target.limit,
                      middle, floor_of(rows, rival, target.reading))
    return beside_the_faster(verdict, target.against, rows)


def beside_the_faster(verdict, against, rows):
    """What is met beside the slower uWebSockets alone says nothing; what is missed is missed."""
    if not verdict.is_met or EPOLL not in against or EPOLL in servers_of(rows):
        return verdict
    lack = "only against the libuv build" if verdict.against == LIBUV else "without the epoll build"
    return dataclasses.replace(verdict, is_met=None, found=f"{verdict.found}, {lack}")


def floor_of(rows, rival, reading):
    floor = best_of(rows, FLOORS, reading)
    if floor is None or rival in FLOORS:
        return ""
    return f"{quartiles(paired_ratios(rows, floor, rival, reading))[1]:.3f}"


def judge_others(points):
    """The worst of the echo points that no target of their own has."""
    named = {target.point for target in TARGETS if target.against == UWEBSOCKETS}
    special = {"memory", "latency", "churn", "fanout"}
    verdicts = [judge_ratio(cpu(key, OTHER_POINTS_LIMIT), rows) for key, rows in points.items()
                if key not in named | special and BASE in servers_of(rows)]
    left_out = [verdict.point for verdict in verdicts if verdict.is_met is None]
    others = "any other" + (f" but {', '.join(left_out)}" if left_out else "")
    judged = [verdict for verdict in verdicts if verdict.is_met is not None]
    if not judged:
        return Verdict("CPU per message", others, " or ".join(UWEBSOCKETS),
                       f"≤ {OTHER_POINTS_LIMIT:.3g}")
    worst = max(judged, key=lambda verdict: verdict.ratio)
    return dataclasses.replace(worst, point=f"{others}; worst: {worst.point}")


def judge_memory(rows):
    what, ours = "resident bytes per idle connection", memory.per_connection(rows, BASE)
    theirs = {name: memory.per_connection(rows, name) for name in UWEBSOCKETS
              if name in servers_of(rows)}
    absolute = Verdict(what, "memory", "", f"≤ {BYTES_PER_CONNECTION}")
    relative = Verdict(what, "memory", " or ".join(UWEBSOCKETS), "less")
    if ours is not None:
        absolute = dataclasses.replace(absolute, found=f"{ours:.0f}",
                                       is_met=ours <= BYTES_PER_CONNECTION)
    if ours is not None and theirs:
        rival = min(theirs, key=theirs.get)
        relative = dataclasses.replace(relative, against=rival, is_met=ours < theirs[rival],
                                       found=f"{ours:.0f} against {theirs[rival]:.0f}")
        relative = beside_the_faster(relative, UWEBSOCKETS, rows)
    return [absolute, relative]


def judge(points):
    """Verdicts on the rows of each point, by the point's key."""
    verdicts = []
    for target in TARGETS:
        rows = points.get(target.point, [])
        verdicts.append(judge_ratio(target, rows if BASE in servers_of(rows) else []))
    return [*verdicts, judge_others(points), *judge_memory(points.get("memory", []))]
