# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0

"""The work points: what is asked of every server."""

import dataclasses
import re

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
SIZE_MAX = 1 << 20


@dataclasses.dataclass(frozen=True)
class Point:
    kind: str  # the client's window: echo, open, fanout, churn; memory has none
    connections: int
    active: int
    inflight: int
    size: int
    is_text: bool = False
    is_compressed: bool = False  # text, as JSON; the size is that of what is compressed

    @property
    def key(self):
        """What the point is called on the command line and in file names."""
        special = {value: key for key, value in SPECIAL.items()}
        if self in special:
            return special[self]
        kind = "json" if self.is_compressed else "text" if self.is_text else ""
        return f"{self.connections}x{self.inflight}x{size_words(self.size, '')}{kind}"

    @property
    def title(self):
        if self in TITLES:
            return TITLES[self]
        plural = "" if self.connections == 1 else "s"
        connections = f"{self.connections:,} connection{plural}"
        kind = "text" if self.is_text else "binary"
        kind = "of JSON, compressed without context" if self.is_compressed else kind
        return f"{connections}, {self.inflight} in flight on each, {size_words(self.size)} {kind}"


def size_words(size, space=" "):
    for unit in ("MiB", "KiB"):
        if size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{space}{unit}"
    return f"{size}{space}B"


SPECIAL = {
    "churn": Point("churn", 0, 32, 1, 20),
    "fanout": Point("fanout", 1000, 1000, 1, 100),
    "idle": Point("echo", 10100, 100, 1, 20),
    "latency": Point("open", 100, 100, 1, 20),
    "memory": Point("memory", 15000, 0, 1, 20),
}
TITLES = {
    SPECIAL["churn"]: "Churn: connect, upgrade, echo 20 B, closing handshake; 32 at a time",
    SPECIAL["fanout"]: "Fan-out: 100 B from one connection to 1,000, one message under way",
    SPECIAL["idle"]: "10,000 idle connections and 100 active, 1 in flight on each, 20 B binary",
    SPECIAL["latency"]:
        "Latency at half the saturating rate: 100 connections, 20 B binary, open model",
    SPECIAL["memory"]: "Memory of 15,000 idle connections",
}

FULL = ["1x1", "100x1", "100x1x125", "100x1x1KiB", "100x1x16KiB", "10x1x1MiB",
        "100x16", "100x16x125", "100x16x1KiB", "100x16x16KiB", "1000x1", "1000x1x1KiB", "1000x16",
        "10000x1", "10000x16", "100x1text", "100x16text", "100x1x1KiBjson", "100x16x1KiBtext", "100x1x16KiBtext",
        "10x1x1MiBtext", *SPECIAL]
QUICK = ["100x1", "100x1x1KiB", "100x1x16KiB", "10x1x1MiB", "100x16", "churn", "fanout", "latency",
         "memory"]


def parse(word, size, is_text):
    """A point by its word: CONNECTIONSxINFLIGHT[xSIZE][text|json] or a name of SPECIAL."""
    if word in SPECIAL:
        return SPECIAL[word]
    match = re.fullmatch(r"(\d+)x(\d+)(?:x(\d+)(B|KiB|MiB)?)?(text|json)?", word)
    if match is None:
        raise ValueError(f"'{word}' is no work point")
    connections, inflight, number, unit, kind = match.groups()
    if number is not None:
        size = int(number) * UNITS[unit or "B"]
    if not (1 <= int(connections) <= 19000 and 1 <= int(inflight) <= 256 and 1 <= size <= SIZE_MAX):
        raise ValueError(f"'{word}' is beyond 19000 connections, 256 in flight or 1 MiB")
    connections = int(connections)
    return Point("echo", connections, connections, int(inflight), size,
                 is_text=is_text or kind is not None, is_compressed=kind == "json")
