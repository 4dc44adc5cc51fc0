import Foundation
import NanoAutograd
public import NanoModels
import NanoTensor

/// Sizes at which `Tools/golden/character_models.py` works.
public enum GoldenSize {
  case small
  /// The study's own.
  case full

  func configuration(of preset: ModelRecipe.Preset) -> DecoderConfiguration {
    switch (self, preset) {
    case (.small, .nanoKimi):
      .nanoKimi(vocabularySize: 13, contextLength: 8, width: 16, layerCount: 2, headCount: 4)
    case (.small, _): .nanoGPT(vocabularySize: 13, contextLength: 8, width: 16, layerCount: 2, headCount: 4)
    case (.full, .nanoKimi): .nanoKimi(vocabularySize: 65)
    case (.full, _): .nanoGPT(vocabularySize: 65)
    }
  }

  var scale: Double { self == .small ? 0.3 : 0.1 }
}

/// NanoGPT or NanoKimi as in `Tools/golden/character_models.py`, with its formula weights.
public func goldenModel(_ preset: ModelRecipe.Preset, _ size: GoldenSize = .small) throws -> Decoder {
  var generator = RandomGenerator(seed: 1)
  var model = try Decoder(size.configuration(of: preset), using: &generator)
  var index = 0.0
  model.visitParameters(.root()) { name, parameter in
    let offset: Float = name.text.contains("norm.weight") ? 1 : 0
    let values = (0..<parameter.value.elementCount).map { element in
      let i = Double(element)
      return Float(size.scale * sin(0.7 * i + 0.37 * index + 0.01 * i * index)) + offset
    }
    parameter.value = Tensor(values, shape: parameter.value.shape)
    index += 1
  }
  return model
}
