// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

/// What all connections have that came from one listener; one that we open has its own.
@WorkerActor
final class ConnectionContext {
    /// Strong, since a let costs no reference counting; whoever it is has this only weakly.
    let owner: any WebSocketOwner
    let httpServer: HTTPServer?
    /// The server that is mounted there.
    let server: WebSocketServer?
    let configuration: ConnectionConfiguration
    let role: Role
    let compression: Compression
    /// Whether they are spoken to in TLS.
    let isSecure: Bool
    /// What TLS needs where they came in.
    let tls: TLSListener?

    private var lastNames: PeerNames?

    init(
        owner: any WebSocketOwner,
        httpServer: HTTPServer,
        tls: TLSListener?,
        _ configuration: ConnectionConfiguration,
        compression: Compression = .off
    ) {
        self.owner = owner
        self.httpServer = httpServer
        server = httpServer.webSocketServer
        self.configuration = configuration
        self.compression = compression
        role = .server
        isSecure = tls != nil
        self.tls = tls
    }

    /// Of connections that we open.
    init(
        owner: any WebSocketOwner,
        isSecure: Bool,
        _ configuration: ConnectionConfiguration,
        compression: Compression = .off
    ) {
        self.owner = owner
        httpServer = nil
        server = nil
        self.configuration = configuration
        self.compression = compression
        role = .client
        self.isSecure = isSecure
        tls = nil
    }

    /// Sends as its owner does; a call of its own, since in place of it the owner would be retained
    /// for every message.
    @inline(never)
    func send(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        compress: Bool = false,
        on connection: WebSocketConnection
    ) -> SendResult {
        unsafe owner.send(opcode, payload, compress: compress, on: connection)
    }

    /// Names that are the same for many are kept once.
    func names(remoteAddress: String?, protocol subprotocol: String?) -> PeerNames? {
        guard remoteAddress != nil || subprotocol != nil else { return nil }
        if let lastNames, lastNames.remoteAddress == remoteAddress,
            lastNames.protocol == subprotocol
        {
            return lastNames
        }
        let names = PeerNames(remoteAddress: remoteAddress, protocol: subprotocol)
        lastNames = names
        return names
    }
}

/// What a peer is called: its address, unless that is in IPv4, and its subprotocol.
final class PeerNames: Sendable {
    let remoteAddress: String?
    let `protocol`: String?

    init(remoteAddress: String?, protocol subprotocol: String?) {
        self.remoteAddress = remoteAddress
        self.protocol = subprotocol
    }
}

/// An address in IPv4, or none: what is shown is a text that takes four bytes to keep.
struct PackedAddress: Equatable {
    private let bits: UInt32

    static let none = PackedAddress(bits: 0)

    private init(bits: UInt32) {
        self.bits = bits
    }

    /// Nil for what is neither empty nor spelt as ``description`` spells it.
    init?(_ text: String) {
        var bits: UInt32 = 0
        var (partCount, part, digitCount) = (1, UInt32(0), 0)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard digitCount == 0 || part > 0 else { return nil }
                digitCount += 1
                part = part * 10 + UInt32(byte - UInt8(ascii: "0"))
                guard part <= 255 else { return nil }
            case UInt8(ascii: "."):
                guard digitCount > 0, partCount < 4 else { return nil }
                bits = bits << 8 | part
                (partCount, part, digitCount) = (partCount + 1, 0, 0)
            default:
                return nil
            }
        }
        guard partCount == 4, digitCount > 0, bits << 8 | part != 0 else {
            guard text.isEmpty else { return nil }
            self = .none
            return
        }
        self.init(bits: bits << 8 | part)
    }

    var description: String {
        guard bits != 0 else { return "" }
        return "\(bits >> 24).\(bits >> 16 & 0xFF).\(bits >> 8 & 0xFF).\(bits & 0xFF)"
    }
}
