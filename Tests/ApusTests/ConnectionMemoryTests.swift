// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

@testable import Apus
import ApusProtocol
import Glibc
import Testing

/// What an idle connection costs times a million, hence the look inside.
@Suite struct `The memory of a connection` {
    private enum Name: WebSocketConnectionKey { typealias Value = String }

    /// What the allocator gave for an object.
    private func usableByteCount(of object: AnyObject) throws -> Int {
        let symbol = unsafe try #require(dlsym(nil, "malloc_usable_size"))
        typealias Function = @convention(c) (UnsafeMutableRawPointer) -> Int
        let usableSize = unsafe unsafeBitCast(symbol, to: Function.self)
        return unsafe usableSize(Unmanaged.passUnretained(object).toOpaque())
    }

    @Test func `is one object of at most 168 bytes when it is idle`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { request in
                let connection = try request.accept()
                connection.onMessage { [unowned connection] in connection.send($0) }
                connection.onClose { _, _ in }
            }
            for _ in 0..<16 {
                let peer = try world.open()
                peer.sendText("hello")
                try world.run { peer.messages.count == 1 }
            }
            for connection in world.server.connections {
                #expect(connection.extras == nil)
                #expect(connection.bufferedAmount == 0)
            }
            // With a word of the allocator's own that is 176; where a piece is left that is too small
            // to be of use, it gives that as well.
            let sizes = try world.server.connections.map { try usableByteCount(of: $0) }
            #expect(try #require(sizes.min()) <= 168)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `is free once its socket is closed, whatever its handlers hold`() throws {
        try inWorker {
            let world = World()
            weak var gone: WebSocketConnection?
            world.server.onRequest { request in
                let connection = try request.accept()
                gone = connection
                connection.onMessage { connection.send($0) }
                connection.onPing { _ in connection.sendUTF("ping") }
                connection.onClose { _, _ in #expect(!connection.connected) }
            }
            let peer = try world.open()
            peer.sendText("hello")
            try world.run { peer.messages.count == 1 }
            peer.sendClose(1000)
            try world.run { peer.isOver }
            try world.drain()
            world.expectIdle()
            #expect(gone == nil)
        }
    }

    @Test func `of one that we open keeps nothing of its client once it is closed`() throws {
        try inWorker {
            let test = ClientWorld()
            let (connection, _) = try test.open()
            weak let attempt = connection.attempt
            #expect(attempt != nil)
            connection.close()
            try test.expectIdle()
            #expect(attempt == nil)
            #expect(connection.extras == nil)
        }
    }

    @Test func `grows by what happens, and shrinks again`() throws {
        try inWorker {
            let (world, connection, peer) = try World.withConnection()
            peer.send(1, Array("in ".utf8), isFinal: false)
            try world.run(milliseconds: 1)
            #expect(connection.isAssembling)
            peer.send(0, Array("two".utf8))
            try world.run(milliseconds: 1)
            #expect(!connection.isAssembling)
            #expect(connection.extras == nil)
            connection[Name.self] = "ada"
            #expect(connection.extras != nil)
            connection[Name.self] = nil
            #expect(connection.extras == nil)
            try world.drain()
            world.expectIdle()
        }
    }

    @Test func `has addresses in IPv4 packed, and other names once for many`() throws {
        try inWorker {
            let world = World()
            world.server.onRequest { try $0.accept(protocol: $0.requestedProtocols.first) }
            let addresses = ["192.0.2.255", "2001:db8::1", "", "192.0.2.1"]
            for address in addresses {
                let peer = world.connect(from: address)
                peer.requestUpgrade(fields: "Sec-WebSocket-Protocol: chat\r\n")
                try world.run { peer.isOpen }
            }
            #expect(world.server.connections.map(\.remoteAddress) == addresses)
            #expect(world.server.connections.map(\.protocol) == addresses.map { _ in "chat" })
            let names = world.server.connections.compactMap(\.names)
            #expect(names[1] !== names[2])
            #expect(names[2] === names[3])
            try world.drain()
            world.expectIdle()
        }
    }

    @Test(arguments: ["0.0.0.1", "1.2.3.4", "127.0.0.1", "255.255.255.255", ""])
    func `packs an address in IPv4, and none`(text: String) throws {
        let address = try #require(PackedAddress(text))
        #expect(address.description == text)
    }

    @Test(arguments: [
        "0.0.0.0", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..2.3", "1.2.3.", ".1.2.3",
        "1.2.3.4 ", "::1", "unknown", "_hidden", "1.2.3.4444444444444444444444",
    ])
    func `packs nothing else`(text: String) {
        #expect(PackedAddress(text) == nil)
    }
}
