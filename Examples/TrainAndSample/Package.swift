// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "TrainAndSample",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "train-and-sample",
      dependencies: [
        .product(name: "NanoTraining", package: "nano-kimi"),
        .product(name: "NanoModels", package: "nano-kimi"),
        .product(name: "NanoData", package: "nano-kimi"),
        .product(name: "NanoOptim", package: "nano-kimi"),
        .product(name: "NanoTensor", package: "nano-kimi"),
      ],
      path: "Sources")
  ]
)
