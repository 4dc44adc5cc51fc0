// swift-tools-version: 6.2

import PackageDescription

let package = Package(
  name: "MuonOnly",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "nano-kimi", path: "../..", traits: [])],
  targets: [
    .executableTarget(
      name: "muon-only", dependencies: [.product(name: "NanoOptim", package: "nano-kimi")],
      path: "Sources")
  ]
)
