// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import CApusSystem
import Glibc
import Histogram

extension LoadEngine {
    /// More do not make it faster, and overrun the queues of many listeners.
    private static var openingCountMax: Int { 128 }

    /// Begins as many connections as may be under way and are due.
    mutating func openConnections() {
        guard !unopened.isEmpty else { return }
        guard plan.mode != .churn || phase == .running && now >= beginning && now < measuredTo
        else { return }
        // What fails at once is tried again in another turn, if at all.
        for _ in 0..<min(unopened.count, Self.openingCountMax - openingCount) {
            guard connectPacer?.take(at: now) ?? true else { return }
            let slot = unopened.removeLast()
            report.connectionsAsked += 1
            openingCount += 1
            open(table[Int(slot)])
        }
    }

    private mutating func open(_ connection: ConnectionReference) {
        connection.state.since = now
        guard addresses.count > 0 else {
            failOpening(connection, "no address")
            return
        }
        let handshake: ClientHandshake
        do {
            handshake = try ClientHandshake(
                url: url,
                protocols: plan.subprotocols,
                origin: plan.origin,
                deflate: plan.deflateOffer,
                fields: plan.headerFields,
                nonce: nonce(of: connection),
                deadline: Instant(nanoseconds: .max)
            )
        } catch {
            preconditionFailure("a plan that was checked makes a request: \(error)")
        }
        let opening = Opening(
            handshake,
            addressIndex: preferredAddress,
            turn: addresses.takeTurn()
        )
        connection.state.opening = opening
        connect(connection, opening)
    }

    /// Nothing is kept secret by it, and so it need not be unforeseeable.
    private func nonce(of connection: ConnectionReference) -> [UInt8] {
        let index = UInt64(plan.firstConnection) + UInt64(connection.state.slot)
        let seed = Mixer.mix(plan.seed ^ now, index)
        return (0..<UInt64(ClientHandshake.nonceByteCount)).map { place in
            UInt8(truncatingIfNeeded: Mixer.mix(seed, place))
        }
    }

    private mutating func connect(_ connection: ConnectionReference, _ opening: Opening) {
        let address = unsafe addresses.target(opening.addressIndex)
        let socket = unsafe ring.socket(for: address)
        guard socket >= 0 else {
            connectFailed(connection, opening, errno: -socket)
            return
        }
        connection.state.socket = socket
        liveCount += 1
        let turn = opening.turn + opening.portlessCount
        guard addresses.bindSource(socket, for: opening.addressIndex, turn: turn) == 0 else {
            // Ports are left to the connect: the address is not one of this machine's.
            failOpening(connection, "source address")
            return
        }
        connection.state.stage = .connecting
        unsafe ring.connect(socket, to: address, tag: connection.state.tag(.connect))
    }

    mutating func connected(_ connection: ConnectionReference, _ result: Int32) {
        guard connection.state.stage == .connecting else {
            // It was given up while the connect was under way.
            release(connection)
            return
        }
        guard let opening = connection.state.opening else { preconditionFailure("no handshake") }
        guard result >= 0 else {
            connectFailed(connection, opening, errno: -result)
            return
        }
        preferredAddress = opening.addressIndex
        connection.state.isReceiving = true
        ring.receive(on: connection.state.socket, tag: connection.state.tag(.receive))
        if tls == nil { sendRequest(on: connection) } else { beginTLS(on: connection) }
    }

    mutating func sendRequest(on connection: ConnectionReference) {
        guard let opening = connection.state.opening else { preconditionFailure("no handshake") }
        connection.state.stage = .upgrading
        let request = opening.handshake.request
        let taken = unsafe request.withUnsafeBytes { bytes in
            unsafe tls == nil
                ? sendNow(bytes, on: connection.state.socket) : seal(bytes, on: connection)
        }
        // A new socket takes far more than a request.
        if taken != request.count { failOpening(connection, "reset") }
    }

    /// Connects once more where another address may do, with a socket of its own.
    private mutating func connectFailed(
        _ connection: ConnectionReference,
        _ opening: Opening,
        errno: Int32
    ) {
        if connection.state.socket >= 0 {
            ring.close(connection.state.socket)
            liveCount -= 1
            connection.state.socket = -1
        }
        connection.state.stage = .free
        let sourceCount = addresses.sourceCount(for: opening.addressIndex)
        if Self.lacksPort(errno), opening.portlessCount + 1 < sourceCount {
            opening.portlessCount += 1
        } else if report.connectionsOpened == 0, opening.addressIndex + 1 < addresses.count {
            // As long as none was reached, the server may be at another of its addresses.
            opening.addressIndex += 1
            opening.portlessCount = 0
        } else {
            failOpening(connection, LoadFailureKind.of(errno: errno))
            return
        }
        connect(connection, opening)
    }

    /// Whether the ports of one source address are used up, which says nothing of the others.
    private static func lacksPort(_ errno: Int32) -> Bool {
        errno == EADDRNOTAVAIL || errno == EADDRINUSE || errno == EAGAIN
    }

    /// Reads the response; returns where the frames begin that follow it, if it opened.
    mutating func readResponse(
        _ bytes: UnsafeMutableRawBufferPointer,
        on connection: ConnectionReference
    ) -> Int? {
        guard let opening = connection.state.opening else { preconditionFailure("no handshake") }
        let action = opening.handshake.received(
            unsafe Span(_unsafeBytes: UnsafeRawBufferPointer(bytes)),
            at: Instant(nanoseconds: now)
        )
        switch action {
        case .needMoreBytes:
            return nil
        case .httpResponse(let head, consumed: _):
            failOpening(connection, "HTTP \(head.status)")
            return nil
        case .fail:
            failOpening(connection, "handshake")
            return nil
        case .open(_, protocol: _, let consumed):
            guard note(opening.handshake.deflate) else {
                failOpening(connection, "no compression")
                return nil
            }
            opened(connection)
            return consumed
        }
    }

    private mutating func opened(_ connection: ConnectionReference) {
        openingCount -= 1
        openCount += 1
        report.connectionsOpened += 1
        connection.state.stage = .open
        connection.state.opening = nil
        if plan.mode != .churn || isMeasuring {
            report.handshake.record(now - connection.state.since)
        }
        if plan.mode == .churn {
            connection.state.due = connection.state.cursor.sequence + 1
            table.markDirty(connection)
        }
    }

    /// Gives up a connection that is not open yet.
    mutating func failOpening(_ connection: ConnectionReference, _ kind: String) {
        openingCount -= 1
        report.connectionsFailed += 1
        report.errors[kind, default: 0] += 1
        connection.state.opening = nil
        drop(connection)
    }
}

/// What failures of the system are called in a report.
enum LoadFailureKind {
    static func of(errno: Int32) -> String {
        switch errno {
        case ECONNREFUSED: return "refused"
        case ETIMEDOUT: return "timeout"
        case ECONNRESET, EPIPE, ECONNABORTED: return "reset"
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN: return "unreachable"
        case EMFILE, ENFILE: return "descriptors"
        case EADDRNOTAVAIL, EADDRINUSE: return "ports"
        case ENOBUFS, ENOMEM: return "memory"
        default:
            return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
                guard let start = text.baseAddress else { return "error \(errno)" }
                unsafe apus_error_text(errno, start, text.count)
                return unsafe String(cString: start).lowercased()
            }
        }
    }
}
