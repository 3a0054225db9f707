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

    /// The same for connections whose messages may be compressed; nil: this is that one.
    let deflating: ConnectionConfiguration?

    private let serverOptions: MessageDecoder.Options
    private let clientOptions: MessageDecoder.Options

    /// The defaults are those of the command line.
    public convenience init(
        frameByteCountMax: UInt64 = 1 << 20,
        messageByteCountMax: UInt64 = 1 << 20,
        fragmentCountMax: UInt32 = 16384,
        keepaliveInterval: Interval? = .seconds(20),
        keepaliveGracePeriod: Interval = .seconds(10),
        closeTimeout: Interval = .seconds(5)
    ) {
        func options(_ role: Role, messageBits: UInt8) -> MessageDecoder.Options {
            var options = MessageDecoder.Options(role: role)
            options.frameByteCountMax = frameByteCountMax
            options.messageByteCountMax = messageByteCountMax
            options.fragmentCountMax = fragmentCountMax
            options.messageBitsAllowed = messageBits
            return options
        }
        let times = (keepaliveInterval, keepaliveGracePeriod, closeTimeout)
        // Apart, so that nobody has to ask for each read which of them holds.
        let deflating = ConnectionConfiguration(
            serverOptions: options(.server, messageBits: 0x40),
            clientOptions: options(.client, messageBits: 0x40),
            times: times,
            deflating: nil
        )
        self.init(
            serverOptions: options(.server, messageBits: 0),
            clientOptions: options(.client, messageBits: 0),
            times: times,
            deflating: deflating
        )
    }

    private init(
        serverOptions: MessageDecoder.Options,
        clientOptions: MessageDecoder.Options,
        times: (keepalive: Interval?, grace: Interval, close: Interval),
        deflating: ConnectionConfiguration?
    ) {
        frameByteCountMax = serverOptions.frameByteCountMax
        messageByteCountMax = serverOptions.messageByteCountMax
        fragmentCountMax = serverOptions.fragmentCountMax
        (keepaliveInterval, keepaliveGracePeriod, closeTimeout) = times
        self.serverOptions = serverOptions
        self.clientOptions = clientOptions
        self.deflating = deflating
    }

    func decoderOptions(for role: Role) -> MessageDecoder.Options {
        switch role {
        case .server: serverOptions
        case .client: clientOptions
        }
    }
}
