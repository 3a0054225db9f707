// swift-tools-version: 6.2
// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// What each kind of target is compiled with. No unsafeFlags: they bar a package from being depended on by version.
let swiftSettings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let cSettings: [CSetting] = [
    .treatAllWarnings(as: .error),
    .enableWarning("extra"),
    .enableWarning("conversion"),
    .define("_GNU_SOURCE"),
]

/// A C target under CShims; its public header is its manual.
func shim(_ name: String, dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: "CShims/\(name)",
        cSettings: cSettings
    )
}

func module(_ name: String, dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

/// A program under Sources/Examples, named for what it shows.
func example(_ name: String) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["Apus", "ApusCodec", "ApusProtocol", logging],
        path: "Sources/Examples/\(name)",
        swiftSettings: swiftSettings
    )
}

func tests(_ name: String, dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies + ["ApusTestSupport"],
        swiftSettings: swiftSettings
    )
}

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .library(name: "ApusProtocol", targets: ["ApusProtocol"]),
        .library(name: "ApusCodec", targets: ["ApusCodec"]),
        .library(name: "CApusCodec", targets: ["CApusCodec"]),
        .executable(name: "apus", targets: ["ApusCommand"]),
        .executable(name: "apus-load", targets: ["ApusLoad"]),
    ],
    traits: [
        .trait(name: "ISAL", description: "Compresses with ISA-L (libisal-dev) as well as zlib.")
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Without its Foundation trait: workers do without Foundation.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // C: below the line, each behind one header.
        .systemLibrary(
            name: "CLiburing",
            path: "CShims/CLiburing",
            pkgConfig: "liburing",
            providers: [.apt(["liburing-dev"])]
        ),
        shim("CApusCodec"),
        shim("CApusRing", dependencies: ["CLiburing"]),
        shim("CApusSystem"),
        .systemLibrary(
            name: "CZlib",
            path: "CShims/CZlib",
            pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"])]
        ),
        // Found by its header alone: where it is not asked for, nobody misses it.
        .systemLibrary(name: "CISAL", path: "CShims/CISAL"),
        .systemLibrary(
            name: "COpenSSL",
            path: "CShims/COpenSSL",
            pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]
        ),
        shim("CApusTLS", dependencies: ["COpenSSL"]),

        // Five columns that do not know each other …
        module("ApusCodec", dependencies: ["CApusCodec"]),
        module("ApusProtocol", dependencies: ["ApusCodec"]),
        module("ApusRing", dependencies: ["CApusRing"]),
        module("ApusSupervisor", dependencies: ["CApusSystem"]),
        module(
            "ApusDeflate",
            dependencies: ["CZlib", .target(name: "CISAL", condition: .when(traits: ["ISAL"]))]
        ),
        module("ApusTLS", dependencies: ["CApusTLS"]),

        // … and meet here.
        module(
            "Apus",
            dependencies: [
                "ApusCodec", "ApusDeflate", "ApusProtocol", "ApusRing", "ApusSupervisor", "ApusTLS",
                "CApusSystem", logging, httpTypes,
            ]
        ),
        // What the two commands have in common: quantities, failures, what the kernel says.
        module(
            "ApusCommandLine",
            dependencies: ["ApusProtocol", "CApusSystem", argumentParser]
        ),
        .executableTarget(
            name: "ApusCommand",
            dependencies: [
                "Apus", "ApusCommandLine", "ApusProtocol", "ApusRing", "CApusSystem",
                argumentParser, logging, httpTypes,
            ],
            swiftSettings: swiftSettings
        ),
        // The load generator, beside the server and on the same columns.
        .executableTarget(
            name: "ApusLoad",
            dependencies: [
                "ApusCodec", "ApusCommandLine", "ApusDeflate", "ApusProtocol", "ApusRing",
                "ApusTLS",
                "CApusSystem", argumentParser, histogram,
            ],
            swiftSettings: swiftSettings
        ),

        // What Benchmarks/run-instructions counts.
        .executableTarget(
            name: "InstructionCounts",
            dependencies: ["ApusCodec", "ApusProtocol", "CApusCodec"],
            path: "Benchmarks/instructions",
            swiftSettings: swiftSettings
        ),

        // Complete programs that show how it is used.
        example("AutobahnClient"),
        example("ChatRooms"),
        example("FirstAsyncServer"),
        example("FirstClient"),
        example("FirstServer"),
        example("GracefulEnd"),
        example("SignIn"),
        example("Talk"),
        example("Ticker"),
        example("UploadToFile"),

        .target(
            name: "ApusTestSupport",
            dependencies: ["ApusCodec"],
            path: "Tests/ApusTestSupport",
            swiftSettings: swiftSettings
        ),
        tests("ApusCodecTests", dependencies: ["ApusCodec", "CApusCodec"]),
        tests("ApusProtocolTests", dependencies: ["ApusProtocol", "ApusCodec"]),
        tests(
            "ApusLoadTests",
            dependencies: [
                "ApusLoad", "ApusCodec", "ApusCommandLine", "ApusDeflate", "ApusProtocol",
                "CApusSystem", argumentParser, histogram,
            ]
        ),
        tests("ApusRingTests", dependencies: ["ApusRing"]),
        tests("ApusSupervisorTests", dependencies: ["ApusSupervisor", "CApusSystem"]),
        tests("ApusDeflateTests", dependencies: ["ApusDeflate", "CZlib"]),
        tests("ApusTLSTests", dependencies: ["ApusTLS", "COpenSSL"]),
        tests(
            "ApusTests",
            dependencies: [
                "Apus", "ApusCodec", "ApusDeflate", "ApusProtocol", "ApusRing", "ApusSupervisor",
                "ApusTLS", "CApusSystem",
            ]
        ),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
