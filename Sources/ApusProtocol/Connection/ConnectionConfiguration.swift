// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What holds for every connection of a server: limits and times.
///
/// One immutable object shared by all machines, so that an idle connection carries one reference.
public final class ConnectionConfiguration: Sendable {
    /// The largest payload of one data frame, in bytes; a larger one is 1009 on its header.
    public let frameByteCountMax: UInt64

    /// The largest message, the sum of its frames' payloads, in bytes.
    ///
    /// A larger one is 1009 on the header that proves it.
    public let messageByteCountMax: UInt64

    /// How many frames one message may come in; more are 1008, empty ones count too.
    public let fragmentCountMax: UInt32

    /// The silence after which a ping is sent; nil for no keepalive.
    public let keepaliveInterval: Interval?

    /// How long after such a ping anything must have come, or the connection is dropped (1006).
    public let keepaliveGracePeriod: Interval

    /// How long the closing handshake may take before the transport is closed without it.
    public let closeTimeout: Interval

    private let serverOptions: MessageDecoder.Options
    private let clientOptions: MessageDecoder.Options
    /// Those of connections whose messages may be compressed.
    private let deflateServerOptions: MessageDecoder.Options
    private let deflateClientOptions: MessageDecoder.Options

    /// The defaults are those of the command line.
    public init(
        frameByteCountMax: UInt64 = 1 << 20,
        messageByteCountMax: UInt64 = 1 << 20,
        fragmentCountMax: UInt32 = 16384,
        keepaliveInterval: Interval? = .seconds(20),
        keepaliveGracePeriod: Interval = .seconds(10),
        closeTimeout: Interval = .seconds(5)
    ) {
        self.frameByteCountMax = frameByteCountMax
        self.messageByteCountMax = messageByteCountMax
        self.fragmentCountMax = fragmentCountMax
        self.keepaliveInterval = keepaliveInterval
        self.keepaliveGracePeriod = keepaliveGracePeriod
        self.closeTimeout = closeTimeout
        func options(_ role: Role) -> MessageDecoder.Options {
            var options = MessageDecoder.Options(role: role)
            options.frameByteCountMax = frameByteCountMax
            options.messageByteCountMax = messageByteCountMax
            options.fragmentCountMax = fragmentCountMax
            return options
        }
        func deflateOptions(_ role: Role) -> MessageDecoder.Options {
            var options = options(role)
            options.messageBitsAllowed = 0x40
            return options
        }
        serverOptions = options(.server)
        clientOptions = options(.client)
        deflateServerOptions = deflateOptions(.server)
        deflateClientOptions = deflateOptions(.client)
    }

    func decoderOptions(for role: Role) -> MessageDecoder.Options {
        switch role {
        case .server: serverOptions
        case .client: clientOptions
        }
    }

    func deflateOptions(for role: Role) -> MessageDecoder.Options {
        switch role {
        case .server: deflateServerOptions
        case .client: deflateClientOptions
        }
    }
}
