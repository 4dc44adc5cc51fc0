import Foundation
import NanoAutograd
public import NanoModels
import NanoTensor

/// The small model of `Tools/golden/character_models.py` with its formula weights.
public func goldenModel<Model: LanguageModel>(_ type: Model.Type) throws -> Model
where Model.Configuration == CharacterModelConfiguration {
  var generator = RandomGenerator(seed: 1)
  var model = try Model(
    CharacterModelConfiguration(
      vocabularySize: 13, contextLength: 8, width: 16, layerCount: 2, headCount: 4, expertCount: 4),
    using: &generator)
  var index = 0.0
  model.visitParameters(.root()) { name, parameter in
    let offset: Float = name.text.contains("norm.weight") ? 1 : 0
    let values = (0..<parameter.value.elementCount).map { element in
      let i = Double(element)
      return Float(0.3 * sin(0.7 * i + 0.37 * index + 0.01 * i * index)) + offset
    }
    parameter.value = Tensor(values, shape: parameter.value.shape)
    index += 1
  }
  return model
}
