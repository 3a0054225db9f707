// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

public import ApusProtocol

/// How a server treats its connections: limits, times and queues, all with their defaults.
public struct ServerConfiguration: Sendable {
    /// The largest payload of one received frame, in bytes; larger: 1009.
    public var maxReceivedFrameSize = 1 << 20

    /// The largest received message, in bytes, over all of its frames; larger: 1009.
    public var maxReceivedMessageSize = 1 << 20

    /// The most frames that one received message may come in; more: 1008.
    public var maxFragments = 16384

    /// Whether messages are put together for ``WebSocketConnection/onMessage(_:)``.
    ///
    /// If not, ``WebSocketConnection/onFrame(_:)`` gets their parts as they come and `onMessage`
    /// nothing, so that memory does not grow with a message. All limits hold all the same: raise
    /// ``maxReceivedFrameSize`` and ``maxReceivedMessageSize`` for messages that are to be large.
    /// Unlike with WebSocket-Node the order of frames and the UTF-8 of text are checked as always,
    /// and parts come before the frame is complete.
    public var assembleFragments = true

    /// Whether and how messages are compressed where the client can do so; by default they are not.
    public var compression = Compression.off

    /// The most bytes that wait for a peer which does not read.
    ///
    /// Beyond, ``slowConsumerPolicy`` applies; from a quarter of it on the peer is not read from.
    /// A message that finds nothing waiting is taken whatever its size.
    public var maxSendQueue = 4 << 20

    /// What happens to messages for which there is no room.
    public var slowConsumerPolicy = SlowConsumerPolicy.close

    /// The most bytes of a worker's broadcasts that wait for other workers.
    ///
    /// Beyond, a broadcast is refused (``BroadcastResult/overLimit``). One that finds nothing waiting
    /// is taken whatever its size.
    public var maxBroadcastBacklog = 16 << 20

    /// How long broadcasts wait for a worker that takes none; then they go on without it.
    public var broadcastGracePeriod: Interval = .seconds(2)

    /// Whether messages over ``fragmentationThreshold`` are sent in several frames.
    ///
    /// It is off: RFC 6455 §5.4 is for senders that do not know a message's length, and minimal
    /// clients may expect one frame. WebSocket-Node has it on.
    public var fragmentOutgoingMessages = false

    /// The largest payload of a frame of a message that is sent in several, in bytes.
    public var fragmentationThreshold = 16 << 10

    /// The most connections of one worker; further ones get a 503, and 0 sets no limit.
    public var maxConnections = 0

    /// How long a request and its answer may take; then 408, or 503.
    ///
    /// It counts from the accept on, for later requests of a connection from their first byte on.
    public var handshakeTimeout: Interval = .seconds(10)

    /// The largest body of an ordinary request, in bytes; larger: 413.
    ///
    /// A connection holds that much while the body comes, and until it is answered.
    public var maxRequestBodySize = 1 << 20

    /// How long an HTTP connection waits for another request; nil: each answer closes.
    public var httpKeepAliveTimeout: Interval? = .seconds(5)

    /// The silence after which a ping is sent; nil: no keepalive.
    ///
    /// From then until the next message the connection is polled, which takes the kernel about 600
    /// bytes less than a pending receive.
    public var keepaliveInterval: Interval? = .seconds(20)

    /// How long after that ping anything must have come, or the connection is dropped (1006).
    public var keepaliveGracePeriod: Interval = .seconds(10)

    /// How long a closing handshake may take before the connection is dropped.
    public var closeTimeout: Interval = .seconds(5)

    /// How long a worker that was told to end waits for its connections to close.
    public var drainTimeout: Interval = .seconds(10)

    /// The limits of a request head.
    public var handshakeLimits = HandshakeLimits()

    /// From which web pages connections are welcome; nil: the application decides.
    ///
    /// Others get 403 before the handler is asked. Whoever knows users by their cookies needs one:
    /// ```swift
    /// configuration.originPolicy = .sameOrigin
    /// ```
    public var originPolicy: OriginPolicy?

    /// The peers whose word on a client's address is taken; by default nobody's.
    public var trustedProxies = TrustedProxies()

    /// The field in which they give it; by default none is read.
    ///
    /// Name the one that your proxy sets: the other one comes from the client unchanged.
    public var forwardedField = ForwardedField.ignored

    /// Whether ``trustedProxies`` speak the PROXY protocol.
    public var proxyProtocol = ProxyProtocol.off

    /// Whether connections begin with a header of the PROXY protocol.
    ///
    /// There is no way to take one if it comes: the protocol forbids to guess, for then a client
    /// behind a proxy that sends none could send its own.
    public enum ProxyProtocol: Hashable, Sendable {
        /// None does.
        case off

        /// Those of trusted proxies do, in version 1 or 2; without a good one they are dropped.
        ///
        /// Other peers speak HTTP from the first byte, and are dropped if they send a header.
        case required
    }

    /// The defaults of the command line.
    public init() {}

    /// Far beyond any memory, and far from where sums of sizes overflow.
    private static let byteCountMax = 1 << 40

    /// The first setting that makes no sense, by its name, and why; nil if all do.
    package var objection: (setting: String, problem: String)? {
        let ranges: [(String, Int, ClosedRange<Int>)] = [
            ("maxReceivedFrameSize", maxReceivedFrameSize, 1...Self.byteCountMax),
            ("maxReceivedMessageSize", maxReceivedMessageSize, 1...Self.byteCountMax),
            ("maxFragments", maxFragments, 1...Int(UInt32.max)),
            ("maxSendQueue", maxSendQueue, 1...Self.byteCountMax),
            ("maxBroadcastBacklog", maxBroadcastBacklog, 1...Self.byteCountMax),
            ("fragmentationThreshold", fragmentationThreshold, 1...Self.byteCountMax),
            ("maxConnections", maxConnections, 0...Int(Int32.max)),
            ("maxRequestBodySize", maxRequestBodySize, 0...Self.byteCountMax),
        ]
        for (name, value, range) in ranges where !range.contains(value) {
            return (name, "is \(value), but has to be \(range.lowerBound) to \(range.upperBound)")
        }
        if let problem = compression.objection { return ("compression", problem) }
        if trustedProxies.isEmpty {
            if forwardedField != .ignored {
                return ("forwardedField", "is read from trusted proxies only, and there are none")
            }
            if proxyProtocol != .off {
                return ("proxyProtocol", "is spoken with trusted proxies only, and there are none")
            }
        }
        if keepaliveInterval == .seconds(0) {
            return ("keepaliveInterval", "is 0; nil turns it off")
        }
        if httpKeepAliveTimeout == .seconds(0) {
            return ("httpKeepAliveTimeout", "is 0; nil turns it off")
        }
        for (name, interval) in [
            ("handshakeTimeout", handshakeTimeout),
            ("keepaliveGracePeriod", keepaliveGracePeriod),
            ("closeTimeout", closeTimeout),
        ] where interval == .seconds(0) {
            return (name, "is 0, but has to bound what a silent peer holds")
        }
        if broadcastGracePeriod == .seconds(0) {
            return ("broadcastGracePeriod", "is 0, but no worker takes a broadcast at once")
        }
        return nil
    }

    /// The largest message that is sent in one frame.
    var fragmentByteCountMax: Int { fragmentOutgoingMessages ? fragmentationThreshold : .max }

    var connections: ConnectionConfiguration {
        ConnectionConfiguration(
            frameByteCountMax: UInt64(maxReceivedFrameSize),
            messageByteCountMax: UInt64(maxReceivedMessageSize),
            fragmentCountMax: UInt32(clamping: maxFragments),
            keepaliveInterval: keepaliveInterval,
            keepaliveGracePeriod: keepaliveGracePeriod,
            closeTimeout: closeTimeout
        )
    }
}
