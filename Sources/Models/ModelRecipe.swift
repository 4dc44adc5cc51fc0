internal import NanoAutograd
internal import NanoLayers

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
    case nanoGPT2 = "nanogpt2"
    case nanoKimiK2 = "nanokimik2"

    /// The name for people.
    public var displayName: String {
      switch self {
      case .nanoGPT: "NanoGPT"
      case .nanoKimi: "NanoKimi"
      case .nanoGPT2: "NanoGPT2"
      case .nanoKimiK2: "NanoKimiK2"
      }
    }
  }

  public let preset: Preset
  private var settings: [Key: String] = [:]

  public init(_ preset: Preset) { self.preset = preset }

  /// The keys that ``set(_:to:)`` knows.
  public static var keys: [String] { Key.allCases.map(\.rawValue) }

  /// What was set, by key.
  public subscript(key: String) -> String? { Key(rawValue: key).flatMap { settings[$0] } }

  /// Sets one thing about the model.
  /// - Throws: when there is no such key, or the value is not one of its kind. Whether all settings go together shows
  ///   when the configuration is made.
  public mutating func set(_ key: String, to value: String) throws(ConfigurationError) {
    guard let known = Key(rawValue: key) else {
      throw ConfigurationError("a model has no '\(key)'; known: \(Self.keys.joined(separator: ", "))")
    }
    try known.check(value)
    settings[known] = value
  }

  /// The configuration of a model.
  /// - Parameters:
  ///   - vocabularySize: tokens.
  ///   - contextLength: the longest sequence.
  /// - Throws: when a setting does not apply, or settings contradict each other.
  public func configuration(
    vocabularySize: Int, contextLength: Int
  ) throws(ConfigurationError) -> DecoderConfiguration {
    var configuration = try sized(vocabularySize, contextLength)
    // In the order of the keys: kinds of parts before what belongs to them.
    for key in Key.allCases {
      guard let value = settings[key] else { continue }
      do {
        try key.apply(Value(text: value), to: &configuration)
      } catch {
        throw ConfigurationError("\(key.rawValue)=\(value): \(error.reason)")
      }
    }
    try configuration.validate()
    return configuration
  }

  /// The preset in its size, which other sizes follow from.
  private func sized(_ vocabularySize: Int, _ contextLength: Int) throws(ConfigurationError) -> DecoderConfiguration {
    let size = settings[.size].flatMap(FamilySize.init(rawValue:))
    func value(_ key: Key, _ fallback: Int) throws(ConfigurationError) -> Int {
      guard let text = settings[key] else { return fallback }
      let value = Value(text: text).integer ?? 0
      try ConfigurationError.require([(key.rawValue, value, 1 << 14)])
      return value
    }
    let family = DecoderConfiguration.nanoKimiK2(
      size: size ?? .small, vocabularySize: vocabularySize, contextLength: contextLength)
    guard settings[.match] == nil || preset == .nanoGPT2 else {
      throw ConfigurationError("match is of nanogpt2, which can have as many parameters as a NanoKimiK2 of its size")
    }
    switch preset {
    case .nanoGPT, .nanoKimi:
      guard size == nil else {
        throw ConfigurationError("\(preset.rawValue) is of no family; set width, layers and heads instead of size")
      }
      let (width, layers, heads) = (try value(.width, 64), try value(.layers, 4), try value(.heads, 4))
      return preset == .nanoGPT
        ? .nanoGPT(
          vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layers,
          headCount: heads)
        : .nanoKimi(
          vocabularySize: vocabularySize, contextLength: contextLength, width: width, layerCount: layers,
          headCount: heads, expertCount: try value(.experts, 4))
    case .nanoGPT2:
      let partner = DecoderConfiguration.nanoGPT2(
        vocabularySize: vocabularySize, contextLength: contextLength, width: try value(.width, family.width),
        layerCount: family.layerCount, headCount: try value(.heads, family.headCount))
      return settings[.match] == "total" ? partner.matchingParameters(of: family) : partner
    case .nanoKimiK2: return family
    }
  }
}

extension ModelRecipe: Codable {
  /// An object of the preset, under `model`, and the settings: `{"model": "nanogpt", "width": 128}`.
  public init(from decoder: any Swift.Decoder) throws {
    let values = try decoder.singleValueContainer().decode([String: Value].self)
    guard let name = values["model"]?.text, let preset = Preset(rawValue: name) else {
      throw ConfigurationError(
        "a model's recipe needs a 'model'; known: \(Preset.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self.init(preset)
    for (key, value) in values.sorted(by: { $0.key < $1.key }) where key != "model" { try set(key, to: value.text) }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = ["model": preset.rawValue]
    for (key, value) in settings { values[key.rawValue] = value }
    var container = encoder.singleValueContainer()
    try container.encode(values)
  }
}

/// What a key is set to.
private struct Value: Decodable {
  let text: String

  init(text: String) { self.text = text }

  /// A string, a number or a truth value.
  init(from decoder: any Swift.Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let flag = try? container.decode(Bool.self) {
      text = flag ? "true" : "false"
    } else if let number = try? container.decode(Int.self) {
      text = String(number)
    } else if let number = try? container.decode(Double.self) {
      text = String(number)
    } else {
      text = try container.decode(String.self)
    }
  }

  var integer: Int? { Int(text) }
  var number: Float? { Float(text).flatMap { $0.isFinite ? $0 : nil } }
  var flag: Bool? { Bool(text) }
}

/// What can be set about a model, in the order in which settings are applied.
private enum Key: String, CaseIterable {
  // Sizes that presets are made from.
  case size, match, width, layers, heads, experts
  // The kinds of parts.
  case attention, feedForward, positions, norm, head, initialization, residualProjections
  // What belongs to the kinds.
  case bias, qkNorm, attentionScale, splitHeads, nopeWidth, ropeWidth, valueWidth, kvRank, qRank, ropeBase
  case activation, feedForwardWidth, expertWidth, topK, sharedExperts, denseLayers, denseWidth, routedScale, gating,
    balanceLoss, zLoss

  private enum Kind {
    case integer, number, flag
    case choice([String])
  }

  private var kind: Kind {
    switch self {
    case .width, .layers, .heads, .experts, .nopeWidth, .ropeWidth, .valueWidth, .kvRank, .qRank, .feedForwardWidth,
      .expertWidth, .topK, .sharedExperts, .denseLayers, .denseWidth:
      .integer
    case .ropeBase, .routedScale, .balanceLoss, .zLoss: .number
    case .qkNorm, .splitHeads, .bias: .flag
    case .size: .choice(FamilySize.allCases.map(\.rawValue))
    case .match: .choice(["active", "total"])
    case .attention: .choice(["multiHead", "latent"])
    case .feedForward: .choice(["mlp", "swiGLU", "denseMoE", "sparseMoE"])
    case .positions: .choice(["learned", "rotary"])
    case .norm: .choice(["layerNorm", "rmsNorm"])
    case .head: .choice(["tied", "own"])
    case .initialization: .choice(["pyTorch", "normal"])
    case .residualProjections: .choice(DecoderConfiguration.ResidualProjections.allCases.map(\.rawValue))
    case .attentionScale: .choice(MultiHeadAttention.Configuration.Scale.allCases.map(\.rawValue))
    case .activation: .choice(ActivationFunction.allCases.map(\.rawValue))
    case .gating: .choice(["sigmoid", "softmax"])
    }
  }

  /// Throws unless a value is one of this key's kind.
  func check(_ text: String) throws(ConfigurationError) {
    let value = Value(text: text)
    let problem: String? =
      switch kind {
      case .integer: value.integer == nil ? "a whole number" : nil
      case .number: value.number == nil ? "a number" : nil
      case .flag: value.flag == nil ? "true or false" : nil
      case .choice(let choices): choices.contains(text) ? nil : "one of \(choices.joined(separator: ", "))"
      }
    if let problem { throw ConfigurationError("\(rawValue) is '\(text)'; it must be \(problem)") }
  }

  /// - Parameter value: one that was checked.
  func apply(_ value: Value, to c: inout DecoderConfiguration) throws(ConfigurationError) {
    let (integer, number, flag) = (value.integer ?? 0, value.number ?? 0, value.flag ?? false)
    switch self {
    case .size, .match: break
    case .width: c.width = integer
    case .layers: c.layerCount = integer
    case .heads: c.headCount = integer
    case .experts:
      switch c.feedForward {
      case .denseMoE(var experts):
        experts.expertCount = integer
        c.feedForward = .denseMoE(experts: experts)
      default: try c.changeSparseMoE { $0.expertCount = integer }
      }
    case .attention: c.setAttention(value.text)
    case .feedForward: c.setFeedForward(value.text)
    case .positions: c.positions = value.text == "rotary" ? .rotary() : .learned
    case .norm: c.norm = value.text == "rmsNorm" ? .rmsNorm(epsilon: 1e-6) : .layerNorm(epsilon: 1e-5)
    case .head: c.head = value.text == "own" ? .own(hasBias: false) : .tied
    case .initialization:
      c.initialization = value.text == "pyTorch" ? .pyTorch : .normal(standardDeviation: 0.02)
      if c.initialization == .pyTorch, c.residualProjections == .scaled { c.residualProjections = .plain }
    case .residualProjections: c.residualProjections = .init(rawValue: value.text) ?? .plain
    case .bias: c.setBiases(flag)
    case .qkNorm:
      c.multiHead?.hasQueryKeyNorm = flag
      c.latent?.hasQueryKeyNorm = flag
    case .splitHeads:
      c.multiHead?.splitsHeads = flag
      c.latent?.splitsHeads = flag
    case .attentionScale: try c.changeMultiHead { $0.scale = .init(rawValue: value.text) ?? .headWidth }
    case .nopeWidth: try c.changeLatent { $0.nopeWidth = integer }
    case .ropeWidth: try c.changeLatent { $0.ropeWidth = integer }
    case .valueWidth: try c.changeLatent { $0.valueWidth = integer }
    case .kvRank: try c.changeLatent { $0.keyValueRank = integer }
    case .qRank: try c.changeLatent { $0.queryRank = integer == 0 ? nil : integer }
    case .ropeBase:
      guard case .rotary(_, let layout, let scaling) = c.positions else {
        throw ConfigurationError("positions are learned, not rotary")
      }
      c.positions = .rotary(base: Double(number), layout: layout, scaling: scaling)
    case .activation:
      guard case .mlp(let width, _, let hasBias) = c.feedForward else {
        throw ConfigurationError("only an mlp has a choice of activation")
      }
      c.feedForward = .mlp(width: width, activation: .init(rawValue: value.text) ?? .relu, hasBias: hasBias)
    case .feedForwardWidth:
      switch c.feedForward {
      case .mlp(_, let activation, let hasBias):
        c.feedForward = .mlp(width: integer, activation: activation, hasBias: hasBias)
      case .swiGLU(_, let hasBias): c.feedForward = .swiGLU(width: integer, hasBias: hasBias)
      default: throw ConfigurationError("mixtures have expertWidth and denseWidth")
      }
    case .expertWidth:
      switch c.feedForward {
      case .denseMoE(var experts):
        experts.expertWidth = integer
        c.feedForward = .denseMoE(experts: experts)
      default: try c.changeSparseMoE { $0.expertWidth = integer }
      }
    case .topK: try c.changeSparseMoE { $0.topK = integer }
    case .sharedExperts: try c.changeSparseMoE { $0.sharedExpertCount = integer }
    case .routedScale: try c.changeSparseMoE { $0.scale = number }
    case .gating: try c.changeSparseMoE { $0.scoring = .init(rawValue: value.text) ?? .sigmoid }
    case .balanceLoss: try c.changeSparseMoE { $0.balanceLossCoefficient = number }
    case .zLoss: try c.changeSparseMoE { $0.zLossCoefficient = number }
    case .denseLayers, .denseWidth:
      guard case .sparseMoE(let experts, let count, let width) = c.feedForward else {
        throw DecoderConfiguration.noSparseMoE
      }
      c.feedForward = .sparseMoE(
        experts: experts, denseLayerCount: self == .denseLayers ? integer : count,
        denseWidth: self == .denseWidth ? integer : width)
    }
  }
}

extension DecoderConfiguration {
  fileprivate static let noSparseMoE = ConfigurationError("this model has no sparse mixture of experts")

  fileprivate mutating func changeSparseMoE(
    _ change: (inout SparseMoE.Configuration) -> Void
  ) throws(ConfigurationError) {
    guard var experts = sparseMoE else { throw Self.noSparseMoE }
    change(&experts)
    sparseMoE = experts
  }

  fileprivate mutating func changeLatent(
    _ change: (inout MultiHeadLatentAttention.Configuration) -> Void
  ) throws(ConfigurationError) {
    guard var heads = latent else { throw ConfigurationError("this model has no latent attention") }
    change(&heads)
    latent = heads
  }

  fileprivate mutating func changeMultiHead(
    _ change: (inout MultiHeadAttention.Configuration) -> Void
  ) throws(ConfigurationError) {
    guard var heads = multiHead else { throw ConfigurationError("this model has no multi-head attention") }
    change(&heads)
    multiHead = heads
  }

  /// Another kind of attention, of as many heads; of latent attention with the family's proportions.
  fileprivate mutating func setAttention(_ kind: String) {
    let headWidth = width / max(1, headCount)
    switch kind {
    case "latent" where latent == nil:
      latent = .init(
        headCount: headCount, nopeWidth: headWidth, ropeWidth: max(2, headWidth / 4 * 2), valueWidth: headWidth,
        keyValueRank: max(1, width / 2))
    case "multiHead" where multiHead == nil: multiHead = .init(headCount: headCount, hasProjectionBias: false)
    default: break
    }
  }

  /// Another kind of feed-forward part: an MLP of four times the width, a SwiGLU of as many parameters, mixtures in the
  /// proportions of NanoKimi and of the smallest NanoKimiK2.
  fileprivate mutating func setFeedForward(_ kind: String) {
    switch (kind, feedForward) {
    case ("mlp", .mlp), ("swiGLU", .swiGLU), ("denseMoE", .denseMoE), ("sparseMoE", .sparseMoE): break
    case ("mlp", _): feedForward = .mlp(width: 4 * width, activation: .gelu, hasBias: false)
    case ("swiGLU", _): feedForward = .swiGLU(width: max(1, 8 * width / 3), hasBias: false)
    case ("denseMoE", _): feedForward = .denseMoE(experts: .init(expertCount: 4, expertWidth: width))
    default:
      feedForward = .sparseMoE(
        experts: .init(expertCount: 8, topK: 2, expertWidth: max(1, 5 * width / 8), scale: 1.41), denseLayerCount: 1,
        denseWidth: max(1, 15 * width / 8))
    }
  }

  /// Biases on all maps that can have one, or none.
  fileprivate mutating func setBiases(_ hasBias: Bool) {
    multiHead?.hasQueryKeyValueBias = hasBias
    multiHead?.hasProjectionBias = hasBias
    latent?.hasBias = hasBias
    switch feedForward {
    case .mlp(let width, let activation, _): feedForward = .mlp(width: width, activation: activation, hasBias: hasBias)
    case .swiGLU(let width, _): feedForward = .swiGLU(width: width, hasBias: hasBias)
    case .denseMoE(var experts):
      experts.hasBias = hasBias
      feedForward = .denseMoE(experts: experts)
    case .sparseMoE: break
    }
    if head != .tied { head = .own(hasBias: hasBias) }
  }
}
