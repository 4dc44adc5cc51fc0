internal import NanoAutograd

extension HuggingFaceReader {
  private static let bases = 1e-3...1e15

  /// The rotary embedding's base and scaling: `rope_theta` and `rope_scaling` of transformers 4, or `rope_parameters`
  /// of transformers 5.
  mutating func rotary(
    contextLength: Int
  ) throws(ConfigurationError) -> (base: Double, scaling: RotaryScaling?) {
    try require("partial_rotary_factor", .integer(1), orNull: true)
    let base = has("rope_theta") ? try number("rope_theta", in: Self.bases) : nil
    let old = try object("rope_scaling")
    let new = try object("rope_parameters")
    guard old == nil || new == nil else {
      throw refusal("rope_scaling", "and 'rope_parameters' are both there; only one can be read")
    }
    guard var reader = old ?? new else { return (base ?? 10_000, nil) }
    var innerBase = base
    if reader.has("rope_theta") {
      innerBase = try reader.number("rope_theta", in: Self.bases)
      guard base == nil || base == innerBase else {
        throw reader.refusal("rope_theta", "and 'rope_theta' differ; only one can be read")
      }
    }
    let scaling = try reader.rotaryScaling(base: innerBase ?? 10_000, contextLength: contextLength)
    try reader.require("partial_rotary_factor", .integer(1), orNull: true)
    try reader.finish()
    return (innerBase ?? 10_000, scaling)
  }

  /// The scaling that an object of `rope_type` (or, older, `type`) describes.
  private mutating func rotaryScaling(
    base: Double, contextLength: Int
  ) throws(ConfigurationError) -> RotaryScaling? {
    let kinds = ["default", "linear", "yarn"]
    let older = has("type") ? try text("type", oneOf: kinds) : nil
    let kind = try text("rope_type", oneOf: kinds, default: older ?? "default")
    guard older == nil || older == kind else {
      throw refusal("type", "and 'rope_type' differ; only one can be read")
    }
    switch kind {
    case "linear": return .linear(factor: try number("factor", in: 1...1e6))
    case "yarn": return .yarn(try yarn(base: base, contextLength: contextLength))
    default: return nil
    }
  }

  private mutating func yarn(
    base: Double, contextLength: Int
  ) throws(ConfigurationError) -> RotaryScaling.YaRN {
    guard base > 1 else {
      throw ConfigurationError("'rope_theta' is \(base); yarn needs one above 1")
    }
    /// 0 and `null` stand for the default.
    func rotations(_ key: String, _ fallback: Double) throws(ConfigurationError) -> Double {
      let value = try optionalNumber(key, in: 0...1e6) ?? fallback
      return value == 0 ? fallback : value
    }
    let yarn = RotaryScaling.YaRN(
      factor: try number("factor", in: 1...1e6),
      originalContextLength: try optionalInteger("original_max_position_embeddings", in: 1...1 << 30)
        ?? contextLength,
      fastRotations: try rotations("beta_fast", 32), slowRotations: try rotations("beta_slow", 1),
      amplitudeScale: try optionalNumber("mscale", in: 0...1e3),
      logitScale: try optionalNumber("mscale_all_dim", in: 0...1e3),
      fixedAmplitude: try optionalNumber("attention_factor", in: 1e-3...1e3),
      truncates: try flag("truncate", default: true))
    guard yarn.fastRotations >= yarn.slowRotations else {
      throw refusal("beta_fast", "is less than 'beta_slow'")
    }
    return yarn
  }
}

extension RotaryScaling {
  /// `rope_scaling` of a `config.json`.
  var huggingFace: [String: Any] {
    switch self {
    case .linear(let factor): return ["rope_type": "linear", "factor": factor]
    case .yarn(let yarn):
      var result: [String: Any] = [
        "rope_type": "yarn", "factor": yarn.factor, "beta_fast": yarn.fastRotations,
        "beta_slow": yarn.slowRotations,
        "original_max_position_embeddings": yarn.originalContextLength,
      ]
      result["mscale"] = yarn.amplitudeScale
      result["mscale_all_dim"] = yarn.logitScale
      result["attention_factor"] = yarn.fixedAmplitude
      if !yarn.truncates { result["truncate"] = false }
      return result
    }
  }
}
