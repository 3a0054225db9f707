// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusProtocol
import ApusRing
import Logging

/// What comes before a request: the header of the PROXY protocol.
extension ConnectionDriver where Ring: ~Copyable {
    /// What a peer with this address may, or may not, begin with.
    func preface(of remoteAddress: String) -> Opening.Preface? {
        switch configuration.proxyProtocol {
        case .off: nil
        case .required:
            configuration.trustedProxies.contains(remoteAddress)
                ? .required(ProxyHeaderStateMachine())
                : .unwelcome(ProxyHeaderStateMachine())
        }
    }

    /// Where in the bytes HTTP begins; nil if not yet, or if the connection was dropped.
    func readPreface(
        _ bytes: UnsafeMutableRawBufferPointer,
        of opening: Opening,
        on connection: Connection
    ) -> Int? {
        let span = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(bytes))
        switch opening.preface {
        case nil:
            return 0
        case .required(var machine):
            switch machine.received(span) {
            case .needMoreBytes:
                opening.preface = .required(machine)
                return nil
            case .complete(let source, let consumed):
                opening.preface = nil
                came(source, on: connection, opening)
                return consumed
            case .refuse(let violation):
                refuseHeader(violation.rawValue, on: connection)
                return nil
            }
        case .unwelcome(var machine):
            let action = machine.received(span)
            guard !machine.isHeader else {
                refuseHeader("notTrusted", on: connection)
                return nil
            }
            // It is decided as soon as a byte is none of a header's.
            opening.preface = action == .needMoreBytes ? .unwelcome(machine) : nil
            return 0
        }
    }

    private func came(_ source: ProxySource, on connection: Connection, _ opening: Opening) {
        switch source {
        case .address(let address, port: _):
            opening.transportAddresses.insert(address, at: 0)
        case .unixSocket:
            opening.transportAddresses.insert("", at: 0)
        case .unknown:
            return
        }
        connection.remoteAddress = opening.transportAddresses[0]
    }

    /// Without an answer: whoever sent this may not speak HTTP.
    private func refuseHeader(_ problem: String, on connection: Connection) {
        counters.proxyHeadersRefused += 1
        logger.debug(
            "a PROXY header is refused",
            metadata: ["problem": "\(problem)", "from": "\(connection.remoteAddress)"]
        )
        drop(connection)
    }
}
