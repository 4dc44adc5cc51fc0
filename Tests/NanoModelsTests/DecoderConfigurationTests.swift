import NanoAutograd
import NanoLayers
import NanoModels
import Testing

/// Expects that a configuration is sound, and refused by name when something is changed.
private func expectRefusal(
  of sound: DecoderConfiguration, naming part: String, sourceLocation: SourceLocation = #_sourceLocation,
  _ change: (inout DecoderConfiguration) -> Void
) {
  #expect(throws: Never.self, sourceLocation: sourceLocation) { try sound.validate() }
  var configuration = sound
  change(&configuration)
  #expect(sourceLocation: sourceLocation) {
    try configuration.validate()
  } throws: {
    "\($0)".contains(part)
  }
}

@Test func contradictorySizesOfSparseModelsAreRefused() {
  let sound = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 65, contextLength: 32)
  expectRefusal(of: sound, naming: "layers") { $0.layerCount = 0 }
  expectRefusal(of: sound, naming: "ropeWidth") { $0.latent?.ropeWidth = 7 }
  expectRefusal(of: sound, naming: "context") { $0.contextLength = 1 << 40 }
  expectRefusal(of: sound, naming: "topK") { $0.sparseMoE?.topK = 9 }
  expectRefusal(of: sound, naming: "groups") { $0.sparseMoE?.groups = ExpertGroups(count: 3, topK: 1) }
  expectRefusal(of: sound, naming: "groups") { $0.sparseMoE?.groups = ExpertGroups(count: 8, topK: 1) }
  expectRefusal(of: sound, naming: "balanceLoss") { $0.sparseMoE?.balanceLossCoefficient = -1 }
  expectRefusal(of: sound, naming: "denseLayers") {
    $0.feedForward = .sparseMoE(experts: $0.sparseMoE!, denseLayerCount: 5, denseWidth: 8)
  }
  expectRefusal(of: sound, naming: "epsilon") { $0.norm = .rmsNorm(epsilon: 0) }
  expectRefusal(of: sound, naming: "base") { $0.positions = .rotary(base: 0) }
}

@Test func contradictorySizesOfDenseModelsAreRefused() {
  let sound = DecoderConfiguration.nanoGPT(vocabularySize: 65)
  expectRefusal(of: sound, naming: "not divisible") { $0.width = 63 }
  expectRefusal(of: sound, naming: "layers is 0") { $0.layerCount = 0 }
  expectRefusal(of: sound, naming: "heads is 0") { $0.headCount = 0 }
  expectRefusal(of: sound, naming: "GB") { ($0.width, $0.layerCount) = (16_384, 1024) }
  expectRefusal(of: sound, naming: "odd") { ($0.width, $0.positions) = (60, .rotary()) }
  expectRefusal(of: sound, naming: "scaled") { $0.residualProjections = .scaled }
  expectRefusal(of: sound, naming: "zero") { $0.initialization = .zero }
}
