import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTensor
import Testing

private typealias Change = (part: String, change: (inout DecoderConfiguration) -> Void)

private func expectRefusals(_ sound: DecoderConfiguration, _ changes: [Change]) {
  #expect(throws: Never.self) { try sound.validate() }
  for (part, change) in changes {
    var configuration = sound
    change(&configuration)
    #expect { try configuration.validate() } throws: { "\($0)".contains(part) }
  }
}

@Test func contradictorySizesAreRefused() {
  expectRefusals(
    .nanoKimiK2(size: .tiny, vocabularySize: 65, contextLength: 32),
    [
      ("layers", { $0.layerCount = 0 }), ("ropeWidth", { $0.latent?.ropeWidth = 7 }),
      ("context", { $0.contextLength = 1 << 40 }), ("topK", { $0.sparseMoE?.topK = 9 }),
      ("groups", { $0.sparseMoE?.groups = ExpertGroups(count: 3, chosenCount: 1) }),
      ("groups", { $0.sparseMoE?.groups = ExpertGroups(count: 8, chosenCount: 1) }),
      ("balanceLoss", { $0.sparseMoE?.balanceLossCoefficient = -1 }),
      ("denseLayers", { $0.feedForward = .sparseMoE(experts: $0.sparseMoE!, denseLayerCount: 5, denseWidth: 8) }),
      ("epsilon", { $0.norm = .rmsNorm(epsilon: 0) }), ("base", { $0.positions = .rotary(base: 0) }),
    ])
  expectRefusals(
    .nanoGPT(vocabularySize: 65),
    [
      ("not divisible", { $0.width = 63 }), ("layers is 0", { $0.layerCount = 0 }),
      ("heads is 0", { $0.headCount = 0 }),
      ("GB", { ($0.width, $0.layerCount) = (16_384, 1024) }),
      ("odd", { ($0.width, $0.positions) = (60, .rotary()) }),
      ("scaled", { $0.residualProjections = .scaled }), ("zero", { $0.initialization = .zero }),
    ])
}
