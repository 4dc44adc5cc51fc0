// swift-tools-version: 6.2

import PackageDescription

// Targets stack strictly: each may import only what stands below it.
//
//   bench-cli > NanoReport > NanoExperiments > NanoTraining > NanoModels > NanoOptim, NanoLayers > NanoAutograd > NanoTensor > NanoCUDA
//                                         > NanoData, NanoCommunication
//
// All of them stand on NanoPreconditions, one function.
//
// OpenBLAS, LAPACKE, libcurl and MPI are loaded at run time, so a client of NanoOptim or NanoLayers needs no system
// package at all; only NanoReport (Cairo) and NanoData (SentencePiece) link one.

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("ExistentialAny"),
]

func library(_ name: String, path: String, dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: swiftSettings)
}

func tests(_ name: String, dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: swiftSettings)
}

/// A product that the command alone needs: a package that depends on this one with `traits: []` does not fetch it.
func command(_ product: String, of package: String) -> Target.Dependency {
  .product(name: product, package: package, condition: .when(traits: ["Command"]))
}

/// What tests of several modules share: nothing above the module that it is named after.
func testSupport(_ name: String, dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: swiftSettings)
}

let package = Package(
  name: "nano-kimi",
  platforms: [.macOS(.v26)],
  products: [
    .executable(name: "bench-cli", targets: ["BenchCLI"]),
    .library(name: "NanoTensor", targets: ["NanoTensor"]),
    .library(name: "NanoAutograd", targets: ["NanoAutograd"]),
    .library(name: "NanoLayers", targets: ["NanoLayers"]),
    .library(name: "NanoOptim", targets: ["NanoOptim"]),
    .library(name: "NanoModels", targets: ["NanoModels"]),
    .library(name: "NanoData", targets: ["NanoData"]),
    .library(name: "NanoCommunication", targets: ["NanoCommunication"]),
    .library(name: "NanoTraining", targets: ["NanoTraining"]),
    .library(name: "NanoExperiments", targets: ["NanoExperiments"]),
    .library(name: "NanoReport", targets: ["NanoReport"]),
    .library(name: "CUDAEmulation", type: .dynamic, targets: ["CUDAEmulation"]),
  ],
  traits: [
    .trait(name: "Command", description: "The command bench-cli, which alone needs other packages."),
    .default(enabledTraits: ["Command"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    // `bench-cli serve` alone.
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.0"),
  ],
  targets: [
    .target(name: "CNanoKernels"),
    // Stands in for a GPU in tests; loaded at run time, so nothing depends on it. It ends the process by abort() where a
    // GPU's behaviour is undefined: a test has to end at the fault, not after it.
    .target(name: "CUDAEmulation", cxxSettings: [.define("NANO_CUDA_EMULATION")]),
    .target(name: "CNanoData"),
    .target(name: "CSystemAllocator"),
    .target(name: "COpenBLAS"),
    .target(name: "CCurl"),
    .target(name: "CMPI"),
    .target(name: "CLAPACKE", dependencies: ["COpenBLAS"]),
    .systemLibrary(
      name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"]), .brew(["cairo"])]),
    .systemLibrary(
      name: "CSentencePieceLibrary", pkgConfig: "sentencepiece",
      providers: [.apt(["libsentencepiece-dev"]), .brew(["sentencepiece"])]),
    .target(
      name: "CSentencePiece", dependencies: ["CSentencePieceLibrary"],
      linkerSettings: [.linkedLibrary("sentencepiece"), .linkedLibrary("sentencepiece_train")]),

    library("NanoPreconditions", path: "Preconditions", dependencies: []),
    library("NanoCommunication", path: "Communication", dependencies: ["CMPI", "NanoPreconditions"]),
    .target(name: "CUDAKernelSources"),
    .target(
      name: "NanoCUDA", dependencies: ["CUDAKernelSources", "NanoPreconditions"], path: "Sources/CUDA",
      exclude: ["Kernels"], swiftSettings: swiftSettings),
    library(
      "NanoTensor", path: "Tensor",
      dependencies: ["NanoCUDA", "NanoPreconditions", "CNanoKernels", "COpenBLAS", "CLAPACKE"]),
    library("NanoAutograd", path: "Autograd", dependencies: ["NanoTensor", "NanoCUDA", "NanoPreconditions"]),
    library("NanoLayers", path: "Layers", dependencies: ["NanoAutograd", "NanoTensor", "NanoPreconditions"]),
    library("NanoOptim", path: "Optim", dependencies: ["NanoTensor", "NanoCUDA", "NanoPreconditions"]),
    library("NanoData", path: "Data", dependencies: ["NanoPreconditions", "CNanoData", "CSentencePiece", "CCurl"]),
    library(
      "NanoModels", path: "Models",
      dependencies: ["NanoLayers", "NanoAutograd", "NanoTensor", "NanoPreconditions"]),
    library(
      "NanoTraining", path: "Training",
      dependencies: [
        "NanoModels", "NanoData", "NanoLayers", "NanoOptim", "NanoAutograd", "NanoTensor", "NanoCUDA",
        "NanoCommunication", "NanoPreconditions",
      ]),
    library(
      "NanoExperiments", path: "Experiments",
      dependencies: [
        "NanoTraining", "NanoModels", "NanoData", "NanoLayers", "NanoOptim", "NanoAutograd", "NanoTensor",
        "NanoCommunication", "NanoPreconditions",
      ]),
    library(
      "NanoReport", path: "Report",
      dependencies: ["NanoExperiments", "NanoTraining", "NanoData", "NanoTensor", "CCairo"]),
    // Measures single kernels for `bench ops`; no library has it.
    .target(
      name: "OperationBenchmarks", dependencies: ["NanoTensor", "CNanoKernels", "COpenBLAS"],
      path: "Benchmarks/Operations", swiftSettings: swiftSettings),
    .executableTarget(
      name: "BenchCLI",
      dependencies: [
        "NanoReport", "NanoExperiments", "NanoTraining", "NanoModels", "NanoData", "NanoLayers", "NanoOptim",
        "NanoAutograd", "NanoTensor", "NanoCommunication", "OperationBenchmarks", "CSystemAllocator",
        command("ArgumentParser", of: "swift-argument-parser"),
        command("FlyingFox", of: "FlyingFox"), command("FlyingSocks", of: "FlyingFox"),
      ],
      swiftSettings: swiftSettings),

    testSupport("NanoTestSupport", dependencies: []),
    testSupport("CommunicationTestSupport", dependencies: ["NanoCommunication"]),
    testSupport("TensorTestSupport", dependencies: ["NanoTestSupport", "NanoTensor", "NanoCUDA"]),
    testSupport("AutogradTestSupport", dependencies: ["TensorTestSupport", "NanoAutograd", "NanoTensor"]),
    testSupport("ModelsTestSupport", dependencies: ["NanoModels", "NanoAutograd", "NanoTensor"]),
    .target(
      name: "CEmulatedKernels", dependencies: ["CNanoKernels"], path: "Tests/CEmulatedKernels",
      cSettings: [.headerSearchPath("../../Sources/CNanoKernels")]),
    .testTarget(name: "CUDAEmulationTests", exclude: ["Programs"], swiftSettings: swiftSettings),
    tests("NanoCUDA", dependencies: ["NanoCUDA", "NanoTestSupport"]),
    tests("NanoCommunication", dependencies: ["NanoCommunication", "CommunicationTestSupport"]),
    tests("NanoPreconditions", dependencies: ["NanoPreconditions"]),
    tests(
      "NanoTensor",
      dependencies: ["NanoTensor", "CNanoKernels", "CEmulatedKernels", "TensorTestSupport", "NanoTestSupport"]),
    tests("NanoAutograd", dependencies: ["NanoAutograd", "NanoTensor", "AutogradTestSupport", "TensorTestSupport"]),
    tests(
      "NanoLayers",
      dependencies: ["NanoLayers", "NanoAutograd", "NanoTensor", "AutogradTestSupport", "TensorTestSupport"]),
    tests("NanoOptim", dependencies: ["NanoOptim", "NanoTensor", "TensorTestSupport", "NanoTestSupport"]),
    tests(
      "NanoModels",
      dependencies: [
        "NanoModels", "NanoLayers", "NanoAutograd", "NanoTensor", "ModelsTestSupport", "AutogradTestSupport",
        "TensorTestSupport", "NanoTestSupport",
      ]),
    tests("NanoData", dependencies: ["NanoData", "CNanoData", "NanoTestSupport"]),
    tests(
      "NanoTraining",
      dependencies: [
        "NanoTraining", "NanoModels", "NanoLayers", "NanoOptim", "NanoData", "NanoAutograd", "NanoTensor",
        "NanoCommunication", "CommunicationTestSupport", "ModelsTestSupport", "TensorTestSupport", "NanoTestSupport",
      ]),
    tests(
      "NanoExperiments",
      dependencies: [
        "NanoExperiments", "NanoTraining", "NanoModels", "NanoLayers", "NanoOptim", "NanoData", "NanoTensor",
        "NanoTestSupport",
      ]),
    tests(
      "NanoReport", dependencies: ["NanoReport", "NanoExperiments", "NanoTraining", "CCairo", "NanoTestSupport"]),
    tests(
      "BenchCLI",
      dependencies: [
        "NanoExperiments", "NanoTraining", "NanoModels", "NanoOptim", "NanoTensor", "NanoData", "OperationBenchmarks",
        "TensorTestSupport", "NanoTestSupport",
      ]),
  ],
  cxxLanguageStandard: .cxx17
)

// `NANO_KIMI_TEST=NanoOptim swift test` builds the tests of a module and what they stand on, and nothing else.
if let modules = Context.environment["NANO_KIMI_TEST"] {
  var needed: Set<String> = []
  func need(_ name: String) {
    guard needed.insert(name).inserted, let target = package.targets.first(where: { $0.name == name }) else { return }
    for case .byNameItem(let name, _) in target.dependencies { need(name) }
  }
  for module in modules.split(separator: ",") {
    need("\(module)")
    need("\(module)Tests")
  }
  if needed.contains("TensorTestSupport") { need("CUDAEmulation") }
  package.targets.removeAll { !needed.contains($0.name) }
  package.products.removeAll { !needed.contains($0.name == "bench-cli" ? "BenchCLI" : $0.name) }
  if !needed.contains("BenchCLI") { package.dependencies.removeAll() }
}

// A package that fetches this one wants its libraries: without the command there is nothing else to fetch.
if ["/.build/checkouts/", "/SourcePackages/checkouts/"].contains(where: { Context.packageDirectory.contains($0) }) {
  package.targets.removeAll { $0.name == "BenchCLI" }
  package.products.removeAll { $0.name == "bench-cli" }
  package.dependencies.removeAll()
}
