// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "Lab",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "lab",
      dependencies: [
        .product(name: "NanoTraining", package: "nano-kimi"),
        .product(name: "NanoModels", package: "nano-kimi"),
        .product(name: "NanoLayers", package: "nano-kimi"),
        .product(name: "NanoOptim", package: "nano-kimi"),
        .product(name: "NanoData", package: "nano-kimi"),
      ],
      path: "Sources")
  ]
)
