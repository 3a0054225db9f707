// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

// An echo server on SwiftNIO's NIOWebSocket: one event loop, one flush for all that a read brought.
// With the argument `publish` every message goes to every connection.

import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// The contexts of all connections; touched on the one event loop only.
final class Audience: @unchecked Sendable {
    var contexts: [ObjectIdentifier: ChannelHandlerContext] = [:]
}

final class Echo: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    /// Where every message goes to all.
    let audience: Audience?

    init(audience: Audience?) {
        self.audience = audience
    }

    func handlerAdded(context: ChannelHandlerContext) {
        audience?.contexts[ObjectIdentifier(self)] = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        audience?.contexts[ObjectIdentifier(self)] = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary, .continuation:
            send(frame.fin, frame.opcode, frame.unmaskedData, from: context)
        case .ping:
            write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData), to: context)
        case .connectionClose:
            let close = WebSocketFrame(
                fin: true,
                opcode: .connectionClose,
                data: frame.unmaskedData
            )
            context.writeAndFlush(wrapOutboundOut(close)).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        default:
            break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func send(
        _ fin: Bool,
        _ opcode: WebSocketOpcode,
        _ data: ByteBuffer,
        from context: ChannelHandlerContext
    ) {
        guard let audience else {
            return write(WebSocketFrame(fin: fin, opcode: opcode, data: data), to: context)
        }
        for subscriber in audience.contexts.values {
            write(WebSocketFrame(fin: fin, opcode: opcode, data: data), to: subscriber)
            subscriber.flush()
        }
    }

    private func write(_ frame: WebSocketFrame, to context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(frame), promise: nil)
    }
}

let audience = CommandLine.arguments.dropFirst().first == "publish" ? Audience() : nil
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let server = try ServerBootstrap(group: group)
    .serverChannelOption(.backlog, value: 4096)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
            let upgrader = NIOWebSocketServerUpgrader(
                maxFrameSize: 1 << 24,
                shouldUpgrade: { channel, _ in channel.eventLoop.makeSucceededFuture([:]) },
                upgradePipelineHandler: { channel, _ in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Echo(audience: audience))
                    }
                }
            )
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in })
            )
        }
    }
    .bind(host: "127.0.0.1", port: 0)
    .wait()
print("listening on ws://127.0.0.1:\(server.localAddress?.port ?? 0)")
fflush(nil)
try server.closeFuture.wait()
