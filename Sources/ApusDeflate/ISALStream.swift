// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

#if ISAL
    import CISAL

    /// ISA-L's compressor, of levels 0 to 3; the memory level does not matter.
    @safe
    final class ISALStream: DeflateStream {
        // It is 80 KiB large.
        private let stream: UnsafeMutablePointer<isal_zstream>
        private let memory: UnsafeMutablePointer<UInt8>

        init(_ settings: Deflater.Settings) {
            precondition(
                (0...3).contains(settings.level) && (9...15).contains(settings.windowBits),
                "no compressor of \(settings)"
            )
            let level = UInt32(settings.level)
            unsafe stream = .allocate(capacity: 1)
            unsafe memory = .allocate(capacity: Int(apus_isal_memory_size(level)))
            let result = unsafe apus_isal_deflate_init(
                stream,
                level,
                UInt16(settings.windowBits),
                memory
            )
            precondition(result == COMP_OK, "no compressor of \(settings): ISA-L says \(result)")
        }

        deinit {
            unsafe stream.deallocate()
            unsafe memory.deallocate()
        }

        func reset() { unsafe isal_deflate_reset(stream) }

        /// `isal_deflate`.
        func deflate(
            _ input: UnsafeRawBufferPointer,
            into room: UnsafeMutableRawBufferPointer,
            isLast: Bool
        ) -> (taken: Int, made: Int) {
            let source = unsafe input.bindMemory(to: UInt8.self)
            unsafe stream.pointee.next_in =
                unsafe UnsafeMutablePointer(mutating: source.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(input.count)
            unsafe stream.pointee.next_out = room.bindMemory(to: UInt8.self).baseAddress
            unsafe stream.pointee.avail_out = UInt32(room.count)
            unsafe stream.pointee.flush = UInt16(isLast ? SYNC_FLUSH : NO_FLUSH)
            let result = unsafe isal_deflate(stream)
            // What was lent for the call is not pointed to any more.
            unsafe stream.pointee.next_in = nil
            unsafe stream.pointee.next_out = nil
            precondition(result == COMP_OK, "a compressor cannot go on: ISA-L says \(result)")
            return unsafe (
                input.count - Int(stream.pointee.avail_in),
                room.count - Int(stream.pointee.avail_out)
            )
        }
    }
#endif
