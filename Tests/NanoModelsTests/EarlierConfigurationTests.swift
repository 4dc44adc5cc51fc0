import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import Testing

private func read(_ json: String, as model: String? = nil) throws -> DecoderConfiguration {
  let decoder = JSONDecoder()
  if let model { decoder.userInfo[DecoderConfiguration.modelName] = model }
  return try decoder.decode(DecoderConfiguration.self, from: Data(json.utf8))
}

@Test func configurationsOfTheFourTypesAreRead() throws {
  let character = """
    {"attentionScale": "headWidth", "contextLength": 32, "expertCount": 3, "headCount": 4, "layerCount": 2,
     "vocabularySize": 65, "width": 64}
    """
  #expect(
    try read(character, as: "nanogpt") == .nanoGPT(vocabularySize: 65, layerCount: 2, attentionScale: .headWidth))
  #expect(
    try read(character, as: "nanokimi")
      == .nanoKimi(vocabularySize: 65, layerCount: 2, expertCount: 3, attentionScale: .headWidth))

  let gpt = DecoderConfiguration.nanoGPT2(
    vocabularySize: 512, contextLength: 64, width: 64, layerCount: 4, headCount: 4)
  let sizes = #""contextLength": 64, "headCount": 4, "layerCount": 4, "vocabularySize": 512, "width": 64"#
  #expect(try read("{\(sizes)}") == gpt)
  var imported = gpt
  imported.head = .own(hasBias: false)
  imported.norm = .layerNorm(epsilon: 1e-6)
  imported.feedForward = .mlp(width: 100, activation: .geluTanh, hasBias: true)
  #expect(
    try read(
      "{\(sizes), \"hasOwnHead\": true, \"innerWidth\": 100, \"activation\": \"gelu-tanh\", \"normEpsilon\": 1e-6}")
      == imported)
}

@Test func configurationsOfNanoKimiK2AreRead() throws {
  func json(_ attention: String = "", _ mixture: String = "", tied: Bool = true) -> String {
    """
    {"attention": {"contextLength": 64, "headCount": 4, "keyValueRank": 32, "positionFreeWidth": 16,
     "rotaryBase": 10000, "rotaryLayout": "interleaved", "rotaryWidth": 8, "splitsHeads": false, "valueWidth": 16,
     "width": 64\(attention)}, "contextLength": 64, "denseLayerCount": 1, "denseWidth": 120, "layerCount": 4,
     "mixture": {"balanceLossCoefficient": 0, "chosenCount": 2, "expertCount": 8, "expertWidth": 40, "modelWidth": 64,
     "normalizesWeights": true, "scale": 1.41, "scoring": "sigmoid", "sharedCount": 1, "zLossCoefficient": 0\(mixture)},
     "normEpsilon": 1e-06, "standardDeviation": 0.02, "tiesHead": \(tied), "vocabularySize": 512}
    """
  }
  var kimi = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 512, contextLength: 64)
  #expect(try read(json()) == kimi)
  kimi.latent?.queryRank = 24
  kimi.latent?.hasBias = true
  kimi.sparseMoE?.groups = ExpertGroups(count: 4, topK: 2)
  kimi.head = .own(hasBias: false)
  #expect(
    try read(
      json(#", "queryRank": 24, "hasBiases": true"#, #", "groups": {"count": 4, "chosenCount": 2}"#, tied: false))
      == kimi)
}

@Test func otherObjectsAreNoConfigurations() {
  for json in ["{}", #"{"contextLength": 64, "layerCount": 4, "vocabularySize": 512}"#, "[]"] {
    #expect(throws: (any Error).self) { try read(json) }
  }
}
