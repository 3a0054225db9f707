// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import Apus
import ApusCommandLine
import ArgumentParser

/// The flags of `apus serve` for permessage-deflate.
struct CompressionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Compress messages: off, shared (each for itself) or dedicated (with contexts).",
            valueName: "mode"
        )
    )
    var compression = Mode.off

    @Option(
        help: ArgumentHelp(
            "What compresses: zlib or isa-l; by default the faster that is built in.",
            valueName: "library"
        )
    )
    var compressionEngine: Engine?

    @Option(
        help: ArgumentHelp("The effort to compress, 1 to 9; isa-l: 0 to 9.", valueName: "level")
    )
    var compressionLevel = Compression.shared.level

    @Option(help: ArgumentHelp("The least message that is compressed.", valueName: "size"))
    var compressionThreshold = ByteSize(Compression.shared.threshold)

    enum Mode: String, ExpressibleByArgument {
        case off
        case shared
        case dedicated
    }

    enum Engine: String, ExpressibleByArgument {
        case zlib
        case isaL = "isa-l"
    }

    /// What they say.
    var configuration: Compression {
        var configuration: Compression =
            switch compression {
            case .off: .off
            case .shared: .shared
            case .dedicated: .dedicated()
            }
        switch compressionEngine {
        case .zlib: configuration.engine = .zlib
        case .isaL: configuration.engine = .isaL
        case nil: break
        }
        configuration.level = compressionLevel
        configuration.threshold = compressionThreshold.byteCount
        return configuration
    }
}
