// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

/// Everything that a worker asks of the kernel for its connections: the one seam below the driver.
///
/// ``Ring`` is the kernel. In the tests a scripted ring stands in, with a seeded plan of short
/// sends, lost completions and errors. The verbs are non-mutating so that a driver that holds the
/// ring in a `let` pays for no exclusivity checks.
package protocol RingVerbs: ~Copyable {
    // MARK: Operations of the ring; each one's end is a completion.

    /// Accepts one connection, non-blocking and close-on-exec; result: the descriptor.
    func accept(from listener: Int32, tag: OperationTag)

    /// Connects a socket that ``socket(for:)`` made; result: 0, or why not.
    ///
    /// The address, a `sockaddr` of some kind, must stay where it is until the next
    /// ``wait(nanosecondsMax:)`` returns. It may take minutes: whoever waits no longer cancels it.
    func connect(_ socket: Int32, to address: UnsafeRawBufferPointer, tag: OperationTag)

    /// Receives into the ring's own buffers until an end (multishot); each completion brings bytes.
    ///
    /// It ended, and must be armed again or given up, when a completion has no `hasMore`.
    func receive(on socket: Int32, tag: OperationTag)

    /// Receives into one of the ring's buffers, once: its completion brings what there is.
    func receiveOnce(on socket: Int32, tag: OperationTag)

    /// Sends with the next ``wait(nanosecondsMax:)``.
    ///
    /// The bytes must stay where they are until that wait returns; by then the send was carried
    /// out. A completion comes only if fewer bytes than given, or none, were taken: the count, or
    /// `-EAGAIN` and the like, and it is among those of that wait.
    func send(_ bytes: UnsafeRawBufferPointer, on socket: Int32, tag: OperationTag)

    /// Completes once when the socket takes bytes again.
    func awaitWritable(_ socket: Int32, tag: OperationTag)

    /// Completes once when the descriptor has something to read, or its end.
    func awaitReadable(_ descriptor: Int32, tag: OperationTag)

    /// Asks to end the operation with that tag; both complete.
    func cancel(_ target: OperationTag, tag: OperationTag)

    // MARK: At once, by system call.

    /// A stream socket, non-blocking and close-on-exec, of the address's family; or `-errno`.
    func socket(for address: UnsafeRawBufferPointer) -> Int32

    /// Sends without blocking what lies in the parts, in order; a byte count or `-errno`.
    func sendNow(_ parts: UnsafeBufferPointer<UnsafeRawBufferPointer>, on socket: Int32) -> Int

    /// Ends our direction: the peer reads to the end of what was sent, and then a FIN.
    func shutdownSending(_ socket: Int32)

    /// Ends both directions; an armed receive completes with 0.
    func shutdownBoth(_ socket: Int32)

    /// Closes a descriptor that no operation is in flight on.
    func close(_ socket: Int32)

    /// The peer's address without its port, as text; empty for a Unix socket.
    func remoteAddress(of socket: Int32) -> String

    // MARK: The turn.

    /// Hands in what was prepared, waits for a completion or the time, and copies all completions
    /// out; returns how many. A signal and the end of the time count as 0 completions.
    func wait(nanosecondsMax: UInt64?) throws(RingError) -> Int

    /// A completion of the last wait.
    func completion(at index: Int) -> Completion

    /// Returns a completion's receive buffer, if it has one; once for each completion with bytes.
    func giveBack(_ completion: Completion)

    /// Completions whose bytes were not given back yet.
    var lentBufferCount: Int { get }
}
