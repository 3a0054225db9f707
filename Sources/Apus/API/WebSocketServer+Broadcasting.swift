// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusCodec

/// What became of a message that was given to be broadcast.
///
/// It says nothing about single connections: a peer that reads too slowly is treated as
/// ``SlowConsumerPolicy`` says.
public enum BroadcastResult: Hashable, Sendable {
    /// All workers have it, or will at the end of this turn.
    case sent

    /// This worker's connections have it; other workers are behind, and it waits for them.
    ///
    /// Until nothing waits any more, the connection whose handler broadcasts is not read from, so
    /// that TCP makes publishers as slow as the workers are. Whoever broadcasts for another reason,
    /// a timer for one, should look at ``WebSocketServer/broadcastBacklog``.
    case queued

    /// More would wait for other workers than ``ServerConfiguration/maxBroadcastBacklog`` allows: no
    /// connection gets it.
    case overLimit
}

extension WebSocketServer {
    // MARK: Broadcasting

    /// Sends a message to every open connection of this server, in all of its workers.
    ///
    /// It is encoded once. This worker's connections have it when the call returns, those of the
    /// others soon after. All connections see the messages that one worker broadcasts in the order
    /// in which it broadcast them; between those of two workers there is no order.
    ///
    /// Every connection that stays open gets every broadcast, but for what ``SlowConsumerPolicy``
    /// drops. A connection in the midst of a message that is sent in pieces gets them behind it;
    /// one that closes gets none, and neither do connections of a ``WebSocketClient``. Where a
    /// worker does not take any for ``ServerConfiguration/broadcastGracePeriod``, since it hangs, the
    /// others go on without it; when it goes on itself it says in its log that broadcasts are
    /// lost, and with ``SlowConsumerPolicy/close`` its connections close with 1008.
    ///
    /// - Parameters:
    ///   - message: the message, as a handler received it.
    ///   - except: a connection that does not get it, for example the one that it came from.
    ///   - compress: whether those get it compressed that can inflate it; it is compressed once.
    @WorkerActor
    @discardableResult
    public func broadcast(
        _ message: borrowing WebSocketMessage,
        except: WebSocketConnection? = nil,
        compress: Bool = true
    ) -> BroadcastResult {
        unsafe broadcast(
            message.kind == .text ? .text : .binary,
            message.bytes,
            except: except,
            compress: compress
        )
    }

    /// Sends a text message to every open connection of this server, in all of its workers.
    ///
    /// As ``broadcast(_:except:compress:)``.
    @WorkerActor
    @discardableResult
    public func broadcastUTF(
        _ text: String,
        except: WebSocketConnection? = nil,
        compress: Bool = true
    ) -> BroadcastResult {
        var text = text
        return text.withUTF8 {
            unsafe broadcast(.text, UnsafeRawBufferPointer($0), except: except, compress: compress)
        }
    }

    /// Sends a binary message to every open connection of this server, in all of its workers.
    ///
    /// As ``broadcast(_:except:compress:)``.
    @WorkerActor
    @discardableResult
    public func broadcastBytes(
        _ bytes: [UInt8],
        except: WebSocketConnection? = nil,
        compress: Bool = true
    ) -> BroadcastResult {
        unsafe bytes.withUnsafeBytes {
            unsafe broadcast(.binary, $0, except: except, compress: compress)
        }
    }

    /// Sends a binary message to every open connection of this server, in all of its workers; the
    /// bytes are borrowed for the call.
    ///
    /// As ``broadcast(_:except:compress:)``.
    @WorkerActor
    @discardableResult
    public func broadcastBytes(
        _ bytes: Span<UInt8>,
        except: WebSocketConnection? = nil,
        compress: Bool = true
    ) -> BroadcastResult {
        unsafe bytes.withUnsafeBytes {
            unsafe broadcast(.binary, $0, except: except, compress: compress)
        }
    }

    /// How many bytes of this worker's broadcasts wait for other workers.
    @WorkerActor public var broadcastBacklog: Int { host?.broadcastBacklog ?? 0 }

    @WorkerActor
    private func broadcast(
        _ opcode: Opcode,
        _ payload: UnsafeRawBufferPointer,
        except: WebSocketConnection?,
        compress: Bool
    ) -> BroadcastResult {
        // Without a worker there is no connection either.
        guard let host else { return .sent }
        return unsafe host.broadcast(opcode, payload, of: self, except: except, compress: compress)
    }
}
