import NanoModels
import NanoTensor
import Testing

@Test func contradictorySizesAreRefused() {
  var generator = RandomGenerator(seed: 1)
  for configuration in [
    CharacterModelConfiguration(vocabularySize: 65, width: 63),
    CharacterModelConfiguration(vocabularySize: 65, layerCount: 0),
    CharacterModelConfiguration(vocabularySize: 65, width: 16_384, layerCount: 1024),
  ] {
    #expect(throws: ConfigurationError.self) { try NanoGPT(configuration, using: &generator) }
  }
}
