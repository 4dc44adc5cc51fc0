/// How a model is made from a vocabulary and a context: a preset, and settings that change parts of it.
///
/// ```swift
/// var recipe = ModelRecipe(.nanoGPT)
/// try recipe.set("positions", to: "rotary")
/// try recipe.set("qkNorm", to: "true")
/// let configuration = try recipe.configuration(vocabularySize: 65, contextLength: 64)
/// ```
public struct ModelRecipe: Hashable, Sendable {
  /// A configuration that has a name.
  public enum Preset: String, CaseIterable, Hashable, Sendable, Codable {
    case nanoGPT = "nanogpt"
    case nanoKimi = "nanokimi"
    case nanoBest = "nanobest"
    case nanoGPT2 = "nanogpt2"
    case nanoKimiK2 = "nanokimik2"

    /// The name for people.
    public var displayName: String {
      switch self {
      case .nanoGPT: "NanoGPT"
      case .nanoKimi: "NanoKimi"
      case .nanoBest: "NanoBest"
      case .nanoGPT2: "NanoGPT2"
      case .nanoKimiK2: "NanoKimiK2"
      }
    }
  }

  /// The configuration that the settings change parts of.
  public let preset: Preset
  private var settings: [String: String] = [:]

  /// A preset without changes.
  public init(_ preset: Preset) { self.preset = preset }

  /// The keys that ``set(_:to:)`` knows.
  public static var keys: [String] { ModelSetting.all.map(\.key) }

  /// What was set, by key.
  public subscript(key: String) -> String? { settings[key] }

  /// Sets one thing about the model.
  /// - Throws: when there is no such key, or the value is not one of its kind. Whether all settings go together shows
  ///   when the configuration is made.
  public mutating func set(_ key: String, to value: String) throws(ConfigurationError) {
    guard let setting = ModelSetting.all.first(where: { $0.key == key }) else {
      throw ConfigurationError("a model has no '\(key)'; known: \(Self.keys.joined(separator: ", "))")
    }
    guard setting.accepts(value) else {
      throw ConfigurationError("\(key) is '\(value)'; it must be \(setting.values)")
    }
    settings[key] = value
  }

  /// The configuration of a model.
  /// - Throws: when a setting does not apply, or settings contradict each other.
  public func configuration(
    vocabularySize: Int, contextLength: Int
  ) throws(ConfigurationError) -> DecoderConfiguration {
    let size = settings["size"].flatMap(FamilySize.init(rawValue:))
    let family = DecoderConfiguration.nanoKimiK2(
      size: size ?? .small, vocabularySize: vocabularySize, contextLength: contextLength)
    var configuration: DecoderConfiguration =
      switch preset {
      case .nanoGPT: .nanoGPT(vocabularySize: vocabularySize, contextLength: contextLength)
      case .nanoKimi: .nanoKimi(vocabularySize: vocabularySize, contextLength: contextLength)
      case .nanoBest: .nanoBest(vocabularySize: vocabularySize, contextLength: contextLength)
      case .nanoGPT2: .nanoGPT2(besides: family)
      case .nanoKimiK2: family
      }
    guard size == nil || preset == .nanoGPT2 || preset == .nanoKimiK2 else {
      throw ConfigurationError("\(preset.rawValue) is of no family; set width, layers and heads instead of size")
    }
    guard settings["match"] == nil || preset == .nanoGPT2 else {
      throw ConfigurationError("match is of nanogpt2, which can have as many parameters as a NanoKimiK2 of its size")
    }
    // In the order of the table, whatever order they were set in.
    for setting in ModelSetting.all {
      guard let value = settings[setting.key] else { continue }
      if setting.key == "match", value == "total" { configuration = configuration.matchingParameters(of: family) }
      guard setting.apply(value, &configuration) != nil else {
        throw ConfigurationError("\(setting.key)=\(value): this model has no part that it belongs to")
      }
    }
    try configuration.validate()
    return configuration
  }
}

extension ModelRecipe: Codable {
  /// An object of the preset, under `model`, and the settings: `{"model": "nanogpt", "width": 128}`.
  public init(from decoder: any Swift.Decoder) throws {
    let values = try decoder.singleValueContainer().decode([String: Value].self)
    guard let preset = values["model"].flatMap({ Preset(rawValue: $0.text) }) else {
      throw ConfigurationError(
        "a model's recipe needs a 'model'; known: \(Preset.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self.init(preset)
    for (key, value) in values.sorted(by: { $0.key < $1.key }) where key != "model" { try set(key, to: value.text) }
  }

  public func encode(to encoder: any Encoder) throws {
    try settings.merging(["model": preset.rawValue]) { $1 }.encode(to: encoder)
  }

  /// A string, a number or a truth value.
  private struct Value: Decodable {
    let text: String

    init(from decoder: any Swift.Decoder) throws {
      let container = try decoder.singleValueContainer()
      text =
        if let flag = try? container.decode(Bool.self) {
          flag ? "true" : "false"
        } else if let number = try? container.decode(Int.self) {
          String(number)
        } else if let number = try? container.decode(Double.self) {
          String(number)
        } else {
          try container.decode(String.self)
        }
    }
  }
}
