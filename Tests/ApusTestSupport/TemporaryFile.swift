// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file that lives as long as this does.
package final class TemporaryFile: Sendable {
    package let path: String

    package init(_ text: String) {
        guard let name = unsafe strdup("/tmp/apus-tls-XXXXXX") else {
            preconditionFailure("there is no memory for a name")
        }
        defer { unsafe free(name) }
        let descriptor = unsafe mkstemp(name)
        path = unsafe String(cString: name)
        var text = text
        text.withUTF8 { bytes in
            let written = unsafe write(descriptor, bytes.baseAddress, bytes.count)
            precondition(written == bytes.count, "a test file cannot be written")
        }
        close(descriptor)
    }

    deinit {
        _ = unsafe unlink(path)
    }
}
