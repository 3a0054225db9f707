// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec
import ApusProtocol

extension LoadPlan {
    /// What a control frame holds at most, RFC 6455 §5.5.
    private static let controlByteCountMax = 125
    /// A payload's number and its time, and four letters of what both are checked by.
    private static let stampedByteCountMin = 20

    /// The URL, if the plan makes sense.
    func check() throws(LoadFailure) -> WebSocketURL {
        let url: WebSocketURL
        do {
            url = try WebSocketURL(self.url)
        } catch {
            throw LoadFailure(.usage, "'\(self.url)' is no WebSocket URL: \(error.rawValue)")
        }
        guard connections > 0, inflight > 0, sizes.lowerBound >= 0 else {
            throw LoadFailure(.usage, "a run has at least one connection and one message in flight")
        }
        guard inflight <= SendTimes.capacityMax else {
            throw LoadFailure(.usage, "at most \(SendTimes.capacityMax) messages in flight")
        }
        guard rate.map({ $0 > 0 }) ?? true, connectRate.map({ $0 > 0 }) ?? true else {
            throw LoadFailure(.usage, "a rate is more than 0")
        }
        try checkMode()
        guard !isCompressed || sizes.count == 1 && sizes.lowerBound > Message.ownByteCount else {
            throw LoadFailure(.usage, "compressed messages have one size")
        }
        do {
            // The same as each connection makes.
            _ = try ClientHandshake(
                url: url,
                protocols: subprotocols,
                origin: origin,
                fields: headerFields,
                nonce: Array(repeating: 0, count: ClientHandshake.nonceByteCount),
                deadline: Instant(nanoseconds: 0)
            )
        } catch {
            throw LoadFailure(.usage, "the request cannot be made: \(error)")
        }
        return url
    }

    private func checkMode() throws(LoadFailure) {
        switch mode {
        case .pingpong:
            guard sizes.upperBound <= Self.controlByteCountMax else {
                throw LoadFailure(
                    .usage,
                    "a ping holds at most \(Self.controlByteCountMax) bytes; give a smaller size"
                )
            }
        case .fanout:
            guard sizes.lowerBound >= Self.stampedByteCountMin else {
                throw LoadFailure(
                    .usage,
                    "fan-out puts a time and a check of it into messages: at least "
                        + "\(Self.stampedByteCountMin) bytes; give a larger size"
                )
            }
            guard !isPublishing || connections > 1 || rate != nil else {
                throw LoadFailure(
                    .usage,
                    "fan-out wants a subscriber in the publisher's process, or a rate"
                )
            }
        case .echo, .churn, .idle, .upload:
            break
        }
    }

    /// What the messages of the run are; an idle connection's ping is as long as it may be.
    var pattern: MessagePattern {
        let largest = mode == .idle ? Self.controlByteCountMax : .max
        let sizes = min(sizes.lowerBound, largest)...min(sizes.upperBound, largest)
        return MessagePattern(sizes: sizes, seed: seed, isCompressible: isCompressed)
    }

    /// Whether the first connection of this process is the one that publishes.
    var isPublishing: Bool { mode == .fanout && firstConnection == 0 }

    /// Fields of the request besides those of the handshake.
    var headerFields: [HeaderField] {
        headers.filter { $0.count == 2 }.map { HeaderField($0[0], $0[1]) }
    }

    /// What messages are sent as.
    var opcode: Opcode {
        switch mode {
        case .pingpong, .idle: .ping
        case .echo, .churn, .fanout, .upload: isText ? .text : .binary
        }
    }

    /// Text is not checked to be such: it is compared with what it has to be.
    var decoderOptions: MessageDecoder.Options {
        var options = MessageDecoder.Options(role: .client)
        options.checksUTF8 = false
        options.messageBitsAllowed = isCompressed ? 0x40 : 0
        // A server may reply with more than it was sent; that is counted, and not a broken rule.
        let byteCountMax = UInt64(max(2 * sizes.upperBound, 1 << 24))
        options.frameByteCountMax = byteCountMax
        options.messageByteCountMax = byteCountMax
        options.fragmentCountMax = .max
        return options
    }
}
