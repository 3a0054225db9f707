// swift-tools-version: 6.2
// This source file is part of the Apus project
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "apus", path: "..")],
    targets: [
        .executableTarget(
            name: "swift-face",
            dependencies: [
                .product(name: "ApusCodec", package: "apus"),
                .product(name: "CApusCodec", package: "apus"),
            ],
            path: "swift-face"
        ),
        .executableTarget(
            name: "task-echo",
            dependencies: [.product(name: "Apus", package: "apus")],
            path: "task-echo"
        ),
    ],
    swiftLanguageModes: [.v6]
)
