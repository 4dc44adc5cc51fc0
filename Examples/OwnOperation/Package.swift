// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "OwnOperation",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "own-operation",
      dependencies: [
        .product(name: "NanoAutograd", package: "nano-kimi"),
        .product(name: "NanoTensor", package: "nano-kimi"),
      ],
      path: "Sources")
  ]
)
