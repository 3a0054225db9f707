# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The guide for users of WebSocket-Node: complete, and each of its rows names tests that exist."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "Sources/Apus/Apus.docc/ComingFromWebSocketNode.md").read_text()

# What each section has to have a row for: the names of WebSocket-Node, as they stand in the first
# column.
NAMES = {
    "A.1": """httpServer maxReceivedFrameSize maxReceivedMessageSize fragmentOutgoingMessages
        fragmentationThreshold keepalive keepaliveInterval dropConnectionOnKeepaliveTimeout
        keepaliveGracePeriod useNativeKeepalive assembleFragments autoAcceptConnections
        ignoreXForwardedFor parseExtensions parseCookies disableNagleAlgorithm closeTimeout""",
    "A.2": """mount unmount closeAllConnections shutDown broadcast broadcastUTF broadcastBytes
        handleUpgrade handleRequestAccepted handleConnectionClose handleRequestResolved config
        connections pendingRequests request connect close upgradeError""",
    "A.3": "upgradeError pendingRequests accept close error reject",
    "A.4": """socket httpRequest resource resourceURL host key webSocketVersion websocketVersion
        origin requestedProtocols protocolFullCaseMap requestedExtensions cookies remoteAddress
        remoteAddresses serverConfig readHandshake parseExtensions parseCookies accept reject
        requestAccepted requestRejected requestResolved path domain expires maxage secure
        httponly""",
    "A.5": """config socket protocol extensions remoteAddress remoteAddresses webSocketVersion
        connected state closeReasonCode closeDescription closeEventEmitted maskOutgoingPackets
        outputBufferFull inputPaused receivedEnd waitingForCloseResponse socketHadError frameQueue
        fragmentationSize bufferList assembleFragments maxReceivedMessageSize closeTimeout
        CLOSE_REASON_… CLOSE_DESCRIPTIONS""",
    "A.6": """close drop send sendUTF sendBytes ping pong sendFrame fragmentAndSend sendCloseFrame
        pause resume""",
    "A.7": "message frame ping pong close error drain pause resume",
    "A.8": "close closeTimeout",
    "A.9": "",
    "A.10": "outputBufferFull bufferedAmount pause resume",
    "A.11": """fin rsv1 rsv2 rsv3 mask opcode length binaryPayload closeStatus maskBytes parseState
        protocolError frameTooLarge invalidCloseFrameLength dropReason addData throwAwayPayload
        toBuffer toString
        webSocketVersion maxReceivedFrameSize maxReceivedMessageSize fragmentOutgoingMessages
        fragmentationThreshold assembleFragments disableNagleAlgorithm closeTimeout tlsOptions
        connect abort connectFailed httpResponse
        attachServer detachServer mount unmount
        webSocketRequest protocol origin resource resourceURL httpRequest remoteAddress
        requestedExtensions cookies accept reject requestAccepted requestRejected
        url readyState extensions bufferedAmount binaryType send close onopen onmessage onerror
        onclose addEventListener wasClean DEBUG""",
}
NUMBERS = [str(number) for number in range(1, 18)]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_rows():
    """The rows of each section, by its number; without one: its title."""
    rows, section = {}, None
    lines = GUIDE.splitlines()
    for line, following in zip(lines, lines[1:] + [""]):
        if line.startswith("## "):
            title = line[3:]
            number = re.match(r"A\.\d+", title)
            section = number[0] if number else title
        elif line.startswith("|") and not following.startswith("|---") and line[:4] != "|---":
            rows.setdefault(section, []).append(cells(line))
    return rows


ROWS = read_rows()
ALL = [(section, row) for section, rows in ROWS.items() for row in rows]


def swift_tests():
    """All tests of ours, as `suite › test`."""
    found = set()
    for path in (ROOT / "Tests").rglob("*.swift"):
        types = {}
        for line in path.read_text().splitlines():
            indent = len(line) - len(line.lstrip(" "))
            if kind := re.search(r"\b(?:struct|extension|class) (?:`([^`]+)`|([\w.]+))", line):
                types[indent] = kind[1] or kind[2]
            if name := re.search(r"\bfunc `([^`]+)`\(", line):
                if indent - 4 in types:
                    found.add(f"{types[indent - 4]} › {name[1]}")
    return found


def outside_tests():
    return {
        f"{path.name}::{name}"
        for path in (ROOT / "Tests/Outside").glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M)
    }


def test_every_section_is_there():
    expected = [f"A.{number}" for number in range(1, 13)]
    assert [section for section in ROWS if section.startswith("A.")] == expected


def test_every_row_is_filled():
    assert len(ALL) > 250
    for section, row in ALL:
        assert len(row) == 4 and all(row), f"{section}: {row}"


def test_every_row_says_how_it_differs_and_why():
    for section, row in ALL:
        assert re.match(r"(same|renamed|changed|left out)\b", row[2]), f"{section}: {row}"
        # Of a defect the first column says why.
        if row[1] == "—" or not re.match(r"same|renamed", row[2]) and section != "A.12":
            assert re.match(r"(changed|left out): .", row[2]), f"{section}: no reason: {row}"


@pytest.mark.parametrize("section", NAMES)
def test_every_name_has_a_row(section):
    firsts = " ".join(row[0] for row in ROWS[section])
    quoted = set(re.findall(r"[\w…]+", " ".join(re.findall(r"`([^`]+)`", firsts))))
    assert set(NAMES[section].split()) <= quoted


# Where what a section leaves out would be declared.
DECLARED = {
    "Exports": "*", "A.1": "ServerConfiguration", "A.2": "WebSocketServer*",
    "A.4": "WebSocketRequest", "A.5": "WebSocketConnection*", "A.6": "WebSocketConnection*",
    "A.7": "WebSocketConnection*",
}


def public_names(pattern):
    files = list((ROOT / "Sources/Apus/API").glob(f"{pattern}.swift"))
    assert files
    kinds = r"\bpublic [^\n(={]*?\b(?:func|var|let|class|struct|enum|protocol) `?(\w+)"
    return {name for path in files for name in re.findall(kinds, path.read_text())}


@pytest.mark.parametrize("section", DECLARED)
def test_what_is_left_out_is_not_there(section):
    found = public_names(DECLARED[section])
    assert len(found) > 5, "the declarations were not found"
    for row in ROWS[section]:
        if row[2].startswith("left out"):
            for name in re.findall(r"`(\w+)", row[0]):
                # An event would be a handler.
                names = {"on" + name[0].upper() + name[1:]}
                assert not found & (names if section == "A.7" else names | {name}), row


def test_every_defect_has_its_regression_test():
    assert [row[0].split(":")[0] for row in ROWS["A.12"]] == NUMBERS
    for row in ROWS["A.12"]:
        number = row[0].split(":")[0]
        assert f" › {number}: " in row[3], row


def test_every_test_that_is_named_exists():
    known = swift_tests() | outside_tests()
    assert len(known) > 900, "the tests were not found"
    for section, row in ALL:
        names = re.findall(r"`([^`]+)`", row[3])
        assert names and not re.sub(r"`[^`]+`", "", row[3]).strip(), f"{section}: {row}"
        for name in names:
            assert name in known, f"{section}: there is no test {name}"


def test_every_numbered_regression_test_is_in_the_guide():
    named = {name for row in ROWS["A.12"] for name in re.findall(r"`([^`]+)`", row[3])}
    numbered = {name for name in swift_tests() if re.search(r" › \d+: ", name)}
    assert numbered == {name for name in named if re.search(r" › \d+: ", name)}
