internal import NanoAutograd
internal import NanoLayers

/// One thing that can be set about a model.
struct ModelSetting: Sendable {
  let key: String
  /// What a value must be.
  let values: String
  let accepts: @Sendable (String) -> Bool
  /// Sets an accepted value; nil when the model has no part that it belongs to.
  let apply: @Sendable (String, inout DecoderConfiguration) -> Void?

  private init<Value>(
    _ key: String, _ values: String, parse: @escaping @Sendable (String) -> Value?,
    set: @escaping @Sendable (inout DecoderConfiguration, Value) -> Void?
  ) {
    self.key = key
    self.values = values
    accepts = { parse($0) != nil }
    apply = { text, configuration in parse(text).flatMap { set(&configuration, $0) } }
  }

  private static func integer(
    _ key: String, _ set: @escaping @Sendable (inout DecoderConfiguration, Int) -> Void?
  ) -> ModelSetting {
    ModelSetting(
      key, "a whole number from 0 to a billion",
      parse: { Int($0).flatMap { (0...1_000_000_000).contains($0) ? $0 : nil } }, set: set)
  }

  private static func number(
    _ key: String, _ set: @escaping @Sendable (inout DecoderConfiguration, Float) -> Void?
  ) -> ModelSetting {
    ModelSetting(key, "a number", parse: { Float($0).flatMap { $0.isFinite ? $0 : nil } }, set: set)
  }

  private static func flag(
    _ key: String, _ set: @escaping @Sendable (inout DecoderConfiguration, Bool) -> Void?
  ) -> ModelSetting {
    ModelSetting(key, "true or false", parse: { Bool($0) }, set: set)
  }

  private static func choice(
    _ key: String, _ choices: [String],
    _ set: @escaping @Sendable (inout DecoderConfiguration, String) -> Void? = { _, _ in () }
  ) -> ModelSetting {
    ModelSetting(
      key, "one of " + choices.joined(separator: ", "), parse: { choices.contains($0) ? $0 : nil }, set: set)
  }

  private static func choice<Choice: CaseIterable & RawRepresentable<String> & Sendable>(
    _ key: String, _ type: Choice.Type,
    _ set: @escaping @Sendable (inout DecoderConfiguration, Choice) -> Void? = { _, _ in () }
  ) -> ModelSetting {
    ModelSetting(
      key, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "), parse: { Choice(rawValue: $0) },
      set: set)
  }

  /// In the order in which they are applied: sizes, kinds of parts, what belongs to the kinds.
  static let all: [ModelSetting] = [
    choice("size", FamilySize.self),
    integer("width") { $0.setWidth($1) },
    integer("layers") { $0.layerCount = $1 },
    integer("heads") { $0.headCount = $1 },
    choice("match", ["active", "total"]),

    choice("attention", ["multiHead", "latent"]) { $0.setAttention($1) },
    choice("feedForward", ["mlp", "swiGLU", "denseMoE", "sparseMoE"]) { $0.setFeedForward($1) },
    integer("convolution") { $0.convolutionKernelSize = $1 },
    choice("positions", ["learned", "rotary"]) { $0.positions = $1 == "rotary" ? .rotary() : .learned },
    flag("previousTokenEmbedding") { $0.hasPreviousTokenEmbedding = $1 },
    choice("norm", ["layerNorm", "rmsNorm"]) {
      $0.norm = $1 == "rmsNorm" ? .rmsNorm(epsilon: 1e-6) : .layerNorm(epsilon: 1e-5)
    },
    choice("head", ["tied", "own"]) { $0.head = $1 == "own" ? .own(hasBias: false) : .tied },
    choice("initialization", ["pyTorch", "normal"]) {
      $0.initialization = $1 == "pyTorch" ? .pyTorch : .normal(standardDeviation: 0.02)
      if $1 == "pyTorch", $0.residualProjections == .scaled { $0.residualProjections = .plain }
      return ()
    },
    choice("residualProjections", DecoderConfiguration.ResidualProjections.self) { $0.residualProjections = $1 },

    flag("bias") { $0.setBiases($1) },
    flag("qkNorm") { ($0.multiHead?.hasQueryKeyNorm = $1) ?? ($0.latent?.hasQueryKeyNorm = $1) },
    flag("splitHeads") { ($0.multiHead?.splitsHeads = $1) ?? ($0.latent?.splitsHeads = $1) },
    ModelSetting(
      "attentionScale", "headWidth, modelWidth or a number", parse: MultiHeadAttention.Configuration.Scale.init
    ) { $0.multiHead?.scale = $1 },
    integer("nopeWidth") { $0.latent?.nopeWidth = $1 },
    integer("ropeWidth") { $0.latent?.ropeWidth = $1 },
    integer("valueWidth") { $0.latent?.valueWidth = $1 },
    integer("kvRank") { $0.latent?.keyValueRank = $1 },
    integer("qRank") { $0.latent?.queryRank = $1 == 0 ? nil : $1 },
    number("ropeBase") {
      guard case .rotary(_, let layout, let scaling) = $0.positions else { return nil }
      return $0.positions = .rotary(base: Double($1), layout: layout, scaling: scaling)
    },
    choice("activation", ActivationFunction.self) {
      guard case .mlp(let width, _, let hasBias) = $0.feedForward else { return nil }
      return $0.feedForward = .mlp(width: width, activation: $1, hasBias: hasBias)
    },
    integer("feedForwardWidth") {
      switch $0.feedForward {
      case .mlp(_, let activation, let hasBias):
        $0.feedForward = .mlp(width: $1, activation: activation, hasBias: hasBias)
      case .swiGLU(_, let hasBias): $0.feedForward = .swiGLU(width: $1, hasBias: hasBias)
      case .denseMoE, .sparseMoE: return nil
      }
      return ()
    },
    integer("experts") { ($0.denseMoE?.expertCount = $1) ?? ($0.sparseMoE?.expertCount = $1) },
    integer("expertWidth") { ($0.denseMoE?.expertWidth = $1) ?? ($0.sparseMoE?.expertWidth = $1) },
    integer("topK") { $0.sparseMoE?.topK = $1 },
    integer("sharedExperts") { $0.sparseMoE?.sharedExpertCount = $1 },
    integer("denseLayers") {
      guard case .sparseMoE(let experts, _, let width) = $0.feedForward else { return nil }
      return $0.feedForward = .sparseMoE(experts: experts, denseLayerCount: $1, denseWidth: width)
    },
    integer("denseWidth") {
      guard case .sparseMoE(let experts, let count, _) = $0.feedForward else { return nil }
      return $0.feedForward = .sparseMoE(experts: experts, denseLayerCount: count, denseWidth: $1)
    },
    number("routedScale") { $0.sparseMoE?.scale = $1 },
    choice("gating", ["sigmoid", "softmax"]) { $0.sparseMoE?.scoring = $1 == "softmax" ? .softmax : .sigmoid },
    number("balanceLoss") { $0.sparseMoE?.balanceLossCoefficient = $1 },
    number("zLoss") { $0.sparseMoE?.zLossCoefficient = $1 },
  ]
}

extension DecoderConfiguration {
  /// What is as wide as the model, or four times, stays so.
  fileprivate mutating func setWidth(_ newWidth: Int) {
    switch feedForward {
    case .mlp(4 * width, let activation, let hasBias):
      feedForward = .mlp(width: 4 * newWidth, activation: activation, hasBias: hasBias)
    case .denseMoE(let experts) where experts.expertWidth == width: denseMoE?.expertWidth = newWidth
    default: break
    }
    width = newWidth
  }

  /// Another kind of attention, of as many heads; of latent attention with the family's proportions.
  fileprivate mutating func setAttention(_ kind: String) {
    let headWidth = width / max(1, headCount)
    if kind == "latent", latent == nil {
      latent = .init(
        headCount: headCount, nopeWidth: headWidth, ropeWidth: max(2, headWidth / 4 * 2), valueWidth: headWidth,
        keyValueRank: max(1, width / 2))
    } else if kind == "multiHead", multiHead == nil {
      multiHead = .init(headCount: headCount, hasProjectionBias: false)
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

  /// Biases on all maps that can have one, which those of a sparse mixture cannot, or none.
  fileprivate mutating func setBiases(_ hasBias: Bool) {
    multiHead?.hasQueryKeyValueBias = hasBias
    multiHead?.hasProjectionBias = hasBias
    latent?.hasBias = hasBias
    denseMoE?.hasBias = hasBias
    switch feedForward {
    case .mlp(let width, let activation, _):
      feedForward = .mlp(width: width, activation: activation, hasBias: hasBias)
    case .swiGLU(let width, _): feedForward = .swiGLU(width: width, hasBias: hasBias)
    case .denseMoE, .sparseMoE: break
    }
    if head != .tied { head = .own(hasBias: hasBias) }
  }
}
