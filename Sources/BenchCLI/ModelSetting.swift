import ArgumentParser
import Foundation
import NanoExperiments
import NanoModels

/// The settings of a ``ModelRecipe``, as flags and arms name them.
enum ModelSetting {
  /// Flags that have another name than the key of the recipe.
  private static let others = [
    "embd": "width", "nope-dim": "nopeWidth", "rope-dim": "ropeWidth", "v-dim": "valueWidth",
    "experts-per-token": "topK",
  ]

  /// The recipe's key of a flag; nil where it is none of a model.
  static func key(of flag: String) -> String? {
    let words = flag.split(separator: "-")
    let camel = (words.first.map(String.init) ?? "") + words.dropFirst().map(\.capitalized).joined()
    let key = others[flag] ?? camel
    return ModelRecipe.keys.contains(key) ? key : nil
  }

  /// The flag of a recipe's key.
  static func flag(of key: String) -> String {
    others.first { $0.value == key }?.key
      ?? key.map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined()
  }

  /// Those of some flags that are a model's, in the order in which a recipe applies them.
  static func all(in flags: [GivenFlag]) -> [(flag: GivenFlag, key: String)] {
    let order = ModelRecipe.keys
    return flags.compactMap { flag in key(of: flag.name).map { (flag, $0) } }
      .sorted { order.firstIndex(of: $0.key)! < order.firstIndex(of: $1.key)! }
  }

  /// Why a model has no use for a key; nil where it has one.
  static func obstacle(to key: String, _ value: String, in recipe: ModelRecipe) throws(ConfigurationError) -> String? {
    if key == "size", [.nanoGPT, .nanoKimi, .nanoBest].contains(recipe.preset) {
      return "the models of the character study are of no family of sizes"
    }
    var candidate = recipe
    try candidate.set(key, to: value)
    do {
      _ = try candidate.configuration(vocabularySize: 65, contextLength: 32)
    } catch {
      // Values that contradict each other show when all are set.
      let prefix = "\(key)=\(value): "
      return error.reason.hasPrefix(prefix) ? String(error.reason.dropFirst(prefix.count)) : nil
    }
    return nil
  }
}
