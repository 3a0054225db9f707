# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks/compare: its arithmetic, its verdicts, and a run of seconds."""

import csv
import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

import apus

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import bench  # noqa: E402
from comparison import (  # noqa: E402
    figures, memory, peers, pictures, points, report, servers, targets,
)


def rows(**microseconds):
    """Windows of 1,000 messages each that took the server so many microseconds per message."""
    return [
        {"round": round_, "server": server, "messages": 1000, "elapsed_ns": 10**9,
         "server_cpu_ns": int(cpu * 10**6), "client_cpu_ns": 1, "p50_ns": 1, "p99_ns": 1}
        for server, samples in microseconds.items() for round_, cpu in enumerate(samples, 1)
    ]


def verdict_on(point, windows, what="CPU per message", against=None):
    found = [verdict for verdict in targets.judge({point: windows})
             if (verdict.what, verdict.point) == (what, point)
             and (against is None or verdict.against == against)]
    return found[0]


def test_a_ratio_is_of_windows_of_one_round():
    # The machine changes its pace from round to round; the ratio does not.
    windows = rows(apus=[1, 10, 100], tcp=[2, 20, 200])
    assert figures.paired_ratios(windows, "apus", "tcp", "cpu") == [0.5, 0.5, 0.5]
    assert figures.median(windows, "apus", "cpu") == 10
    assert figures.median(windows, "tcp", "rate") == 1000


def test_a_round_without_one_of_both_has_no_ratio():
    windows = rows(apus=[1, 1, 1], tcp=[2, 4])
    assert figures.paired_ratios(windows, "apus", "tcp", "cpu") == [0.5, 0.25]
    assert figures.paired_ratios(windows, "apus", "nio", "cpu") == []


@pytest.mark.parametrize("samples, expected", [
    ([3], (3, 3, 3)), ([1, 3], (1.5, 2, 2.5)), ([5, 1, 4, 2, 3], (2, 3, 4)),
])
def test_quartiles_lie_within_the_samples(samples, expected):
    assert figures.quartiles(samples) == expected


@pytest.mark.parametrize("word, key", [
    ("100x16", "100x16x20B"), ("1x1x1024", "1x1x1KiB"), ("100x1x16KiBtext", "100x1x16KiBtext"),
    ("100x1x1KiBjson", "100x1x1KiBjson"), ("10x1x1MiB", "10x1x1MiB"), *((name, name) for name in points.SPECIAL),
])
def test_a_point_has_one_name(word, key):
    point = points.parse(word, 20, False)
    assert point.key == key
    assert points.parse(point.key, 20, False) == point


@pytest.mark.parametrize("word", ["", "100", "0x1", "100x0", "20000x1", "1x1x2MiB", "100x1xtext"])
def test_what_is_no_point_is_refused(word):
    with pytest.raises(ValueError):
        points.parse(word, 20, False)


def test_every_target_is_at_a_point_of_the_full_run():
    keys = {points.parse(word, 20, False).key for word in points.FULL}
    assert {target.point for target in targets.TARGETS} <= keys


@pytest.mark.parametrize("ours, is_met", [(0.90, True), (0.91, False)])
def test_a_target_holds_against_the_better_of_several_servers(ours, is_met):
    windows = rows(apus=[ours] * 3, uwebsockets=[2] * 3, **{"uwebsockets-epoll": [1] * 3})
    verdict = verdict_on("100x1x20B", windows)
    assert (verdict.against, verdict.is_met) == ("uwebsockets-epoll", is_met)


def test_beside_a_verdict_stands_what_the_better_floor_takes():
    windows = rows(apus=[3] * 2, uwebsockets=[4] * 2, tcp=[3, 6], **{"tcp-uring": [2] * 2})
    assert verdict_on("100x1x20B", windows, against="uwebsockets").floor == "0.500"
    assert verdict_on("100x1x20B", windows, against="tcp-uring").floor == ""


def test_pictures_show_each_server_that_was_measured():
    measured = {f"100x1x{size}": rows(apus=[1, 1], uwebsockets=[2, 2], ws=[9, 9])
                for size in ("20B", "1KiB")}
    drawn = pictures.pictures(measured)
    assert list(drawn) == ["near.svg", "inflight-1.svg"]
    assert drawn["near.svg"][1].count("<circle") == 2
    assert drawn["inflight-1.svg"][1].count("<polyline") == 3
    for _, picture in drawn.values():
        xml.etree.ElementTree.fromstring(picture)


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert {verdict.is_met for verdict in targets.judge({})} == {None}
    without_apus = rows(uwebsockets=[1, 1])
    assert verdict_on("100x1x20B", without_apus).is_met is None


def test_of_the_other_points_the_worst_counts():
    def both(ours):
        return rows(apus=[ours], uwebsockets=[1], **{"uwebsockets-epoll": [1]})

    measured = {"1x1x20B": both(0.9), "1000x1x20B": both(1.2), "100x16x20B": both(9)}
    verdict = targets.judge_others(measured)
    assert (verdict.point, verdict.is_met) == ("any other; worst: 1000x1x20B", False)
    # What cannot be judged is not passed over in silence.
    measured |= {"1x1x125B": rows(apus=[0.9], uwebsockets=[1]), "1x1x1KiB": rows(apus=[1])}
    verdict = targets.judge_others(measured)
    assert verdict.point == "any other but 1x1x125B, 1x1x1KiB; worst: 1000x1x20B"
    verdict = targets.judge_others({"1x1x1KiB": rows(apus=[1])})
    assert (verdict.point, verdict.is_met) == ("any other but 1x1x1KiB", None)


@pytest.mark.parametrize("ours, is_met", [(0.5, None), (1.5, False)])
def test_beside_the_slower_build_alone_a_target_can_only_be_missed(ours, is_met):
    verdict = verdict_on("100x1x20B", rows(apus=[ours], uwebsockets=[1]))
    assert verdict.is_met is is_met
    assert verdict.found.endswith("only against the libuv build") == (is_met is None)
    handshakes = rows(apus=[0.5], uwebsockets=[2], nio=[1])
    verdict = verdict_on("churn", handshakes, "CPU per handshake")
    assert (verdict.against, verdict.is_met) == ("nio", None)
    assert "only against the libuv build" in report.target_table(
        {"100x1x20B": rows(apus=[0.5], uwebsockets=[1])}, with_unmeasured=False)


def test_memory_is_what_came_with_the_connections():
    measured = [{"server": server, "served": served, "connections": connections, "rss": rss,
                 "pss": rss}
                for server, each in (("apus", 200), ("uwebsockets", 250),
                                     ("uwebsockets-epoll", 225))
                for served, connections, rss in (
                    (0, 0, 700_000), (1, 0, 10**6), (1, 5000, 10**6 + 5000 * 100),
                    (1, 15000, 10**6 + 15000 * each))]
    assert memory.per_connection(measured, "apus") == 200
    assert memory.per_connection(measured, "apus", served=0) == 220
    assert memory.per_connection(measured, "apus", first=5000) == 250
    assert memory.per_connection(measured, "nio") is None
    assert [verdict.is_met for verdict in targets.judge_memory(measured)] == [True, True]
    without_epoll = [row for row in measured if row["server"] != "uwebsockets-epoll"]
    assert [verdict.is_met for verdict in targets.judge_memory(without_epoll)] == [True, None]


def test_a_run_measures_prints_and_can_be_resumed(tmp_path):
    command = [BENCHMARKS / "compare", "--quick", "--apus", apus.binary(), "--servers", "tcp",
               "--points", "1x1,2x4x300text,2x4x300json,churn", "--rounds", "2", "--window", "20",
               "--pause", "1", "--resume", tmp_path / "run"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    for point in ("1x1x20B", "2x4x300Btext", "churn"):
        with open(tmp_path / "run" / f"{point}.csv", newline="") as file:
            windows = list(csv.DictReader(file))
        assert [(row["round"], row["server"]) for row in windows] == [
            ("1", "apus"), ("1", "tcp"), ("2", "apus"), ("2", "tcp")]
        assert all(int(row["messages"]) > 0 and int(row["server_cpu_ns"]) > 0 for row in windows)
        assert f"`--points {point}`" in run.stdout
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.csv")}
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.csv")}
    assert after == before
    assert again.stdout == run.stdout
    # With one point more the figures keep what they were measured on.
    notes = tmp_path / "run" / "churn.json"
    before = json.loads(notes.read_text())
    before["conditions"]["versions"]["apus"] = "an older one"
    notes.write_text(json.dumps(before))
    head = subprocess.run(
        [*command, "--points", "churn,1x2"], capture_output=True, text=True, check=True
    ).stdout.split("###")[0]
    old, new = head[head.index("Of churn:"):].split("Of 1x2x20B:")
    assert "- apus: an older one" in old and "- apus: an older one" not in new


def test_a_server_that_does_not_start_is_told_by_its_last_words():
    script = "for line in 1 2 3 4; do echo cause $line >&2; done; echo no port"
    peer = peers.Peer("none", "1", ["sh", "-c", script])
    with pytest.raises(bench.Skip) as failure:
        servers.Server(peer, peer.command, None, False)
    assert str(failure.value) == "it does not start; it says: cause 2; cause 3; cause 4"
