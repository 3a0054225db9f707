// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Testing

@Suite struct ServerConfigurations {
    @Test func `defaults make sense`() {
        #expect(ServerConfiguration().objection == nil)
    }

    @Test func `trusted proxies may tell of clients`() {
        var configuration = ServerConfiguration()
        configuration.trustedProxies = ["unix"]
        configuration.forwardedField = .forwarded
        configuration.proxyProtocol = .required
        #expect(configuration.objection == nil)
    }

    private static func with<Value>(
        _ setting: WritableKeyPath<ServerConfiguration, Value>,
        _ value: Value
    ) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration[keyPath: setting] = value
        return configuration
    }

    @Test(arguments: [
        ("maxSendQueue", with(\.maxSendQueue, 0)),
        ("maxReceivedFrameSize", with(\.maxReceivedFrameSize, .max)),
        ("maxBroadcastBacklog", with(\.maxBroadcastBacklog, 0)),
        ("broadcastGracePeriod", with(\.broadcastGracePeriod, .seconds(0))),
        ("fragmentationThreshold", with(\.fragmentationThreshold, 0)),
        ("maxConnections", with(\.maxConnections, -1)),
        ("maxFragments", with(\.maxFragments, .max)),
        ("keepaliveInterval", with(\.keepaliveInterval, .seconds(0))),
        ("handshakeTimeout", with(\.handshakeTimeout, .seconds(0))),
        ("keepaliveGracePeriod", with(\.keepaliveGracePeriod, .seconds(0))),
        ("closeTimeout", with(\.closeTimeout, .seconds(0))),
        ("maxRequestBodySize", with(\.maxRequestBodySize, -1)),
        ("httpKeepAliveTimeout", with(\.httpKeepAliveTimeout, .seconds(0))),
        ("forwardedField", with(\.forwardedField, .xForwardedFor)),
        ("proxyProtocol", with(\.proxyProtocol, .required)),
    ])
    func `objection names the setting`(name: String, configuration: ServerConfiguration) {
        #expect(configuration.objection?.setting == name)
    }
}
