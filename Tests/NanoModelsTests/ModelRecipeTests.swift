import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import Testing

private func recipe(_ preset: ModelRecipe.Preset, _ settings: KeyValuePairs<String, String>) throws -> ModelRecipe {
  var recipe = ModelRecipe(preset)
  for (key, value) in settings { try recipe.set(key, to: value) }
  return recipe
}

private func configuration(
  _ preset: ModelRecipe.Preset, _ settings: KeyValuePairs<String, String> = [:]
) throws -> DecoderConfiguration {
  try recipe(preset, settings).configuration(vocabularySize: 65, contextLength: 32)
}

@Test func recipesWithoutSettingsAreThePresets() throws {
  #expect(try configuration(.nanoGPT) == .nanoGPT(vocabularySize: 65))
  #expect(try configuration(.nanoKimi, ["experts": "3"]) == .nanoKimi(vocabularySize: 65, expertCount: 3))
  #expect(try configuration(.nanoBest) == .nanoBest(vocabularySize: 65))
  let kimi = DecoderConfiguration.nanoKimiK2(size: .tiny, vocabularySize: 65, contextLength: 32)
  #expect(try configuration(.nanoKimiK2, ["size": "0.3M"]) == kimi)
  #expect(try configuration(.nanoGPT2, ["size": "0.3M"]) == .nanoGPT2(besides: kimi))
  #expect(
    try configuration(.nanoGPT2, ["size": "0.3M", "match": "total"])
      == DecoderConfiguration.nanoGPT2(besides: kimi).matchingParameters(of: kimi))
}

/// What belongs to a part is set after the kind of the part, in whatever order both are named.
@Test func settingsChangeParts() throws {
  let changed = try configuration(
    .nanoGPT, ["topK": "1", "feedForward": "sparseMoE", "width": "32", "norm": "rmsNorm", "bias": "false"])
  #expect(changed.sparseMoE?.topK == 1 && changed.sparseMoE?.expertCount == 8)
  #expect(changed.width == 32 && changed.norm == .rmsNorm(epsilon: 1e-6) && changed.head == .own(hasBias: false))
  #expect(changed.multiHead?.hasProjectionBias == false)
  #expect(
    try configuration(.nanoGPT, ["width": "32"]).feedForward == .mlp(width: 128, activation: .relu, hasBias: true))
  let rotary = try configuration(.nanoGPT2, ["positions": "rotary", "ropeBase": "500", "qkNorm": "true"])
  #expect(rotary.positions == .rotary(base: 500) && rotary.multiHead?.hasQueryKeyNorm == true)
  #expect(try configuration(.nanoKimiK2, ["qRank": "24", "qkNorm": "true"]).latent?.queryRank == 24)
}

/// The strongest model has no more parameters than the published NanoKimi.
@Test func nanoBestIsNoLargerThanNanoKimi() throws {
  let published = try configuration(.nanoKimi).parameterCount
  #expect(published == 278_097)
  #expect(try configuration(.nanoBest).parameterCount <= published)
}

@Test func attentionScalesAreNamesOrNumbers() throws {
  for (text, scale) in [("headWidth", MultiHeadAttention.Configuration.Scale.headWidth), ("0.5", .factor(0.5))] {
    let configuration = try configuration(.nanoKimi, ["attentionScale": text])
    #expect(configuration.multiHead?.scale == scale)
    let json = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(DecoderConfiguration.self, from: json) == configuration)
  }
}

@Test func recipesAreJSON() throws {
  let recipe = try recipe(.nanoKimiK2, ["size": "3M", "qkNorm": "true", "routedScale": "1.5", "topK": "4"])
  let json = try JSONEncoder().encode(recipe)
  #expect(try JSONDecoder().decode(ModelRecipe.self, from: json) == recipe)
  let written = #"{"model": "nanokimik2", "size": "3M", "qkNorm": true, "routedScale": 1.5, "topK": 4}"#
  #expect(try JSONDecoder().decode(ModelRecipe.self, from: Data(written.utf8)) == recipe)
  for wrong in [#"{"model": "gpt9"}"#, #"{"size": "3M"}"#, #"{"model": "nanogpt", "depth": 3}"#] {
    #expect(throws: ConfigurationError.self) { try JSONDecoder().decode(ModelRecipe.self, from: Data(wrong.utf8)) }
  }
}

@Test func wrongSettingsAreRefusedByName() {
  let wrong: [(ModelRecipe.Preset, KeyValuePairs<String, String>, String)] = [
    (.nanoGPT, ["depth": "3"], "known: size"), (.nanoGPT, ["width": "wide"], "a whole number"),
    (.nanoGPT, ["norm": "batchNorm"], "layerNorm, rmsNorm"), (.nanoGPT, ["qkNorm": "yes"], "true or false"),
    (.nanoGPT, ["zLoss": "nan"], "a number"), (.nanoGPT, ["topK": "2"], "topK=2: this model has no part"),
    (.nanoGPT, ["kvRank": "8"], "no part"), (.nanoKimiK2, ["attentionScale": "modelWidth"], "no part"),
    (.nanoKimiK2, ["activation": "relu"], "no part"), (.nanoGPT, ["ropeBase": "100"], "no part"),
    (.nanoGPT, ["size": "3M"], "no family"), (.nanoKimiK2, ["match": "total"], "nanogpt2"),
    (.nanoGPT, ["heads": "0"], "heads is 0"), (.nanoGPT, ["width": "63"], "not divisible"),
    (.nanoKimi, ["feedForwardWidth": "8"], "no part"), (.nanoKimi, ["convolution": "0"], "convolution is 0"),
    (.nanoKimi, ["attentionScale": "wide"], "or a number"), (.nanoKimi, ["attentionScale": "-1"], "positive"),
    (.nanoGPT, ["width": "-1"], "from 0"),
  ]
  for (preset, settings, message) in wrong {
    #expect("\(settings)") { try configuration(preset, settings) } throws: { "\($0)".contains(message) }
  }
}
