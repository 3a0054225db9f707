// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem
import Glibc

/// Finds the addresses of hosts.
enum AddressLookup {
    /// Of a name with more, the others are not tried.
    private static let addressCountMax = 16

    /// The addresses of a literal address or of `localhost`; empty for any other name.
    static func known(_ host: String, port: UInt16) -> [apus_address] {
        look(up: host, port: port, mayBlock: false)
    }

    /// Looks a name up on a thread of its own, and then tells on the worker's loop.
    ///
    /// A thread for each, since the system's resolver blocks, for half a minute where no name server
    /// answers. A look-up cannot be ended; whoever waits no longer ignores it. Not on the actor,
    /// since the thread's function would then check that it runs there.
    static func begin(
        _ host: String,
        port: UInt16,
        _ done: @escaping @WorkerActor ([apus_address]) -> Void
    ) {
        let job = Job(host: host, port: port, done: done)
        let pointer = unsafe Unmanaged.passRetained(job).toOpaque()
        var thread = pthread_t()
        let error = unsafe pthread_create(
            &thread,
            nil,
            { pointer in
                if let pointer = unsafe pointer {
                    unsafe Unmanaged<Job>.fromOpaque(pointer).takeRetainedValue().run()
                }
                return nil
            },
            pointer
        )
        if error == 0 {
            pthread_detach(thread)
        } else {
            unsafe Unmanaged<Job>.fromOpaque(pointer).release()
            Task { @WorkerActor in done([]) }
        }
    }

    private final class Job: Sendable {
        let host: String
        let port: UInt16
        let done: @WorkerActor ([apus_address]) -> Void

        init(host: String, port: UInt16, done: @escaping @WorkerActor ([apus_address]) -> Void) {
            self.host = host
            self.port = port
            self.done = done
        }

        func run() {
            let addresses = look(up: host, port: port, mayBlock: true)
            Task { @WorkerActor in done(addresses) }
        }
    }

    private static func look(up host: String, port: UInt16, mayBlock: Bool) -> [apus_address] {
        unsafe [apus_address](unsafeUninitializedCapacity: addressCountMax) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            // An error and no address are the same to who wants to connect.
            let found = unsafe apus_address_lookup(start, addressCountMax, host, port, mayBlock)
            count = Int(max(0, found))
        }
    }
}
