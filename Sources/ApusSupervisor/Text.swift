// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import CApusSystem

/// What an error number means, in the system's words.
func errorText(_ errno: Int32) -> String {
    unsafe text(byteCountMax: 128) { bytes, size in
        unsafe apus_error_text(errno, bytes, size)
    }
}

/// The text that a C function writes, NUL-terminated, into so many bytes.
func text(byteCountMax: Int, _ write: (UnsafeMutablePointer<CChar>?, Int) -> Void) -> String {
    var bytes = [CChar](repeating: 0, count: byteCountMax)
    // The function gets the array's own bounds.
    unsafe bytes.withUnsafeMutableBufferPointer { buffer in
        unsafe write(buffer.baseAddress, buffer.count)
    }
    return String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
