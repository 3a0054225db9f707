// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import ApusSupervisor
import Glibc
import Testing

@Suite struct SupervisorErrorTests {
    @Test(arguments: [
        ("pipe2", EMFILE, "Too many open files; raise the limit of open files (ulimit -n)"),
        (
            "fork", EAGAIN,
            "Resource temporarily unavailable; "
                + "raise the limit of processes (ulimit -u, or the container's)"
        ),
        ("ppoll", EINVAL, "Invalid argument"),
    ])
    func `refusal of the system is named with its cure`(
        operation: String,
        errno: Int32,
        text: String
    ) {
        let error = SupervisorError.system(operation: operation, errno: errno)
        #expect(error.description == "the system refuses \(operation): \(text)")
    }
}
