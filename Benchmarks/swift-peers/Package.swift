// swift-tools-version: 6.2
// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own, so that the rest of the benchmarks builds without SwiftNIO.
let package = Package(
    name: "swift-peers",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/swhitty/FlyingFox", exact: "0.27.1"),
    ],
    targets: [
        .executableTarget(
            name: "nio-echo",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
            ],
            path: "nio-echo"
        ),
        .executableTarget(
            name: "flyingfox-echo",
            dependencies: [.product(name: "FlyingFox", package: "FlyingFox")],
            path: "flyingfox-echo"
        ),
    ],
    swiftLanguageModes: [.v6]
)
