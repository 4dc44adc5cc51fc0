internal import NanoAutograd
internal import NanoLayers
internal import NanoModels
internal import NanoTensor

/// `deepseek2`, the architecture of DeepSeek-V2, DeepSeek-V3 and Kimi K2.
///
/// llama.cpp attends in the space of the latents, in which all heads share one key and value: W_kvb is in the file as
/// the two maps into and out of that space.
enum GGUFDeepSeek2: GGUFArchitecture {
  static let name = "deepseek2"

  /// How llama.cpp numbers sigmoid scores. Without the number it takes softmax.
  private static let sigmoid = 2

  // MARK: Metadata

  static func metadata(of model: Decoder) throws(ConfigurationError) -> [(key: String, value: GGUFValue)] {
    _ = try model.huggingFaceConfiguration()
    let c = model.configuration
    guard case .rotary(let base, let layout, let scaling) = c.positions, case .rmsNorm(let epsilon) = c.norm,
      let a = c.latent, case .sparseMoE(let experts, let denseLayerCount, let denseWidth) = c.feedForward
    else { fatalError("GGUFDeepSeek2: transformers' DeepseekV3 has these parts") }
    try require(layout == .interleaved, "rotates neighbouring channels, this model those of two halves")
    try require(!a.hasBias, "has no biases in its attention")
    // It tells DeepSeek-V2-Lite by its layers, and then looks for no latent of queries.
    try require(
      a.queryRank == nil || ![26, 27].contains(c.layerCount),
      "takes \(c.layerCount) layers for DeepSeek-V2-Lite, whose queries have no latent; this model's have")
    let sizes: [(key: String, value: GGUFValue)] = [
      ("context_length", .integer(c.contextLength)), ("embedding_length", .integer(c.width)),
      ("block_count", .integer(c.layerCount)), ("feed_forward_length", .integer(denseWidth)),
      ("vocab_size", .integer(c.vocabularySize)), ("attention.head_count", .integer(a.headCount)),
      ("attention.head_count_kv", .integer(1)), ("attention.layer_norm_rms_epsilon", .number(Double(epsilon))),
      ("attention.q_lora_rank", .integer(a.queryRank ?? 0)), ("attention.kv_lora_rank", .integer(a.keyValueRank)),
      ("attention.key_length", .integer(a.keyValueRank + a.ropeWidth)),
      ("attention.value_length", .integer(a.keyValueRank)), ("attention.key_length_mla", .integer(a.keyWidth)),
      ("attention.value_length_mla", .integer(a.valueWidth)), ("rope.dimension_count", .integer(a.ropeWidth)),
      ("rope.freq_base", .number(base)), ("leading_dense_block_count", .integer(denseLayerCount)),
    ]
    return try sizes + metadata(of: experts) + metadata(of: scaling)
  }

  private static func metadata(
    of c: SparseMoE.Configuration
  ) throws(ConfigurationError) -> [(key: String, value: GGUFValue)] {
    try require(c.sharedExpertCount > 0, "has at least one shared expert, this model none")
    try require(c.scale > 0, "scales experts by a positive factor, this model by \(c.scale)")
    let groups: [(key: String, value: GGUFValue)] =
      c.groups.map { [("expert_group_count", .integer($0.count)), ("expert_group_used_count", .integer($0.topK))] }
      ?? []
    return [
      ("expert_count", .integer(c.expertCount)), ("expert_used_count", .integer(c.topK)),
      ("expert_shared_count", .integer(c.sharedExpertCount)),
      ("expert_feed_forward_length", .integer(c.expertWidth)),
      ("expert_gating_func", .integer(sigmoid)), ("expert_weights_norm", .boolean(c.normalizesWeights)),
      ("expert_weights_scale", .number(Double(c.scale))),
    ] + groups
  }

  private static func metadata(
    of scaling: RotaryScaling?
  ) throws(ConfigurationError) -> [(key: String, value: GGUFValue)] {
    switch scaling {
    case nil: return []
    case .linear:
      // It would multiply logits by (1 + 0.1 ln factor)², as if for YaRN.
      throw ConfigurationError(
        "llama.cpp's deepseek2 scales logits too where positions are scaled linearly, which this model does not; such "
          + "a model cannot be exported")
    case .yarn(let yarn):
      try require(
        yarn.amplitudeScale == yarn.logitScale && (yarn.logitScale ?? 0) > 0 && yarn.fixedAmplitude == nil
          && yarn.truncates, "has YaRN with 'mscale' and 'mscale_all_dim' equal and above 0, this model another")
      return [
        ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .number(yarn.factor)),
        ("rope.scaling.original_context_length", .integer(yarn.originalContextLength)),
        ("rope.scaling.yarn_beta_fast", .number(yarn.fastRotations)),
        ("rope.scaling.yarn_beta_slow", .number(yarn.slowRotations)),
        // Llama.cpp divides it by 0.1 again.
        ("rope.scaling.yarn_log_multiplier", .number(0.1 * (yarn.logitScale ?? 0))),
      ]
    }
  }

  static func configuration(
    _ reader: inout HuggingFaceReader, vocabularySize: Int, head: DecoderConfiguration.Head
  ) throws(ConfigurationError) -> DecoderConfiguration {
    try reader.require("vocab_size", .integer(vocabularySize))
    let layers = try reader.integer("block_count", in: 1...1 << 10)
    let epsilon = try reader.number("attention.layer_norm_rms_epsilon", in: 1e-12...1)
    return DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: try reader.integer("context_length", in: 1...1 << 18),
      width: try reader.integer("embedding_length", in: 1...1 << 14), layerCount: layers,
      positions: .rotary(
        base: try reader.number("rope.freq_base", in: 1e-3...1e12, default: 10_000), scaling: try scaling(&reader)),
      norm: .rmsNorm(epsilon: Float(epsilon)), attention: .latent(try attention(&reader)),
      feedForward: .sparseMoE(
        experts: try experts(&reader),
        denseLayerCount: try reader.integer("leading_dense_block_count", in: 0...layers, default: 0),
        denseWidth: try reader.integer("feed_forward_length", in: 1...1 << 18)), head: head)
  }

  private static func attention(
    _ reader: inout HuggingFaceReader
  ) throws(ConfigurationError) -> MultiHeadLatentAttention.Configuration {
    let rope = try reader.integer("rope.dimension_count", in: 1...1 << 10)
    let rank = try reader.integer("attention.kv_lora_rank", in: 1...1 << 14)
    let queryRank = try reader.integer("attention.q_lora_rank", in: 0...1 << 14)
    try reader.require("attention.head_count_kv", 1)
    try reader.require("attention.key_length", .integer(rank + rope))
    try reader.require("attention.value_length", .integer(rank))
    return MultiHeadLatentAttention.Configuration(
      headCount: try reader.integer("attention.head_count", in: 1...1 << 10),
      nopeWidth: try reader.integer("attention.key_length_mla", in: rope + 1...rope + 1 << 10) - rope, ropeWidth: rope,
      valueWidth: try reader.integer("attention.value_length_mla", in: 1...1 << 10), keyValueRank: rank,
      queryRank: queryRank == 0 ? nil : queryRank)
  }

  private static func experts(_ reader: inout HuggingFaceReader) throws(ConfigurationError) -> SparseMoE.Configuration {
    let counts = 1...1 << 10
    guard reader.has("expert_gating_func") else { throw reader.refusal("expert_gating_func", "is missing") }
    try reader.require("expert_gating_func", .integer(sigmoid))
    let groupCount = try reader.integer("expert_group_count", in: counts, default: 1)
    let groups = ExpertGroups(
      count: groupCount, topK: try reader.integer("expert_group_used_count", in: 1...groupCount, default: 1))
    return SparseMoE.Configuration(
      expertCount: try reader.integer("expert_count", in: counts),
      topK: try reader.integer("expert_used_count", in: counts),
      expertWidth: try reader.integer("expert_feed_forward_length", in: 1...1 << 16),
      sharedExpertCount: try reader.integer("expert_shared_count", in: 1...64),
      groups: groupCount == 1 ? nil : groups,
      normalizesWeights: try reader.flag("expert_weights_norm", default: false),
      scale: Float(try reader.number("expert_weights_scale", in: 1e-6...1e6, default: 1)))
  }

  private static func scaling(_ reader: inout HuggingFaceReader) throws(ConfigurationError) -> RotaryScaling? {
    let type = try reader.text("rope.scaling.type", oneOf: ["none", "yarn"], default: "none")
    guard type == "yarn" else { return nil }
    let factor = try reader.number("rope.scaling.factor", in: 1...1e6)
    let rotations = 1e-3...1e6
    let magnitude = try reader.number("rope.scaling.yarn_log_multiplier", in: 1e-6...1e3) * 10
    let yarn = RotaryScaling.YaRN(
      factor: factor,
      originalContextLength: try reader.integer("rope.scaling.original_context_length", in: 1...1 << 30),
      fastRotations: try reader.number("rope.scaling.yarn_beta_fast", in: rotations, default: 32),
      slowRotations: try reader.number("rope.scaling.yarn_beta_slow", in: rotations, default: 1),
      amplitudeScale: magnitude, logitScale: magnitude)
    guard yarn.fastRotations >= yarn.slowRotations else {
      throw reader.refusal("rope.scaling.yarn_beta_fast", "is less than 'yarn_beta_slow'")
    }
    return .yarn(yarn)
  }

  // MARK: Tensors

  private static let wholeParts = [
    "attention_norm.weight": "attn_norm.weight", "attention.query_down.weight": "attn_q_a.weight",
    "attention.query_norm.weight": "attn_q_a_norm.weight", "attention.key_value_down.weight": "attn_kv_a_mqa.weight",
    "attention.key_value_norm.weight": "attn_kv_a_norm.weight", "attention.projection.weight": "attn_output.weight",
    "mixer_norm.weight": "ffn_norm.weight", "mixer.down.weight": "ffn_down.weight",
    "mixer.router.weight": "ffn_gate_inp.weight", "mixer.router.selection_biases": "exp_probs_b.bias",
    "mixer.experts.down.weight": "ffn_down_exps.weight", "mixer.shared.down.weight": "ffn_down_shexp.weight",
  ]

  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [GGUFTensor] {
    switch parameter {
    case "token_embedding.weight": return [GGUFTensor("token_embd.weight", shape)]
    case "final_norm.weight": return [GGUFTensor("output_norm.weight", shape)]
    case "head.weight": return [GGUFTensor("output.weight", shape)]
    default: break
    }
    // blocks.<layer>.<part>
    let path = parameter.split(separator: ".", maxSplits: 2)
    let (layer, part) = ("blk.\(path[1]).", String(path[2]))
    /// Gate rows, then up rows.
    func gateUp(_ suffix: String, parts: Int? = nil) -> [GGUFTensor] {
      let half = shape.rowCount / (parts ?? 1) / 2
      return [
        GGUFTensor("\(layer)ffn_gate\(suffix).weight", shape, parts: parts, rows: 0..<half),
        GGUFTensor("\(layer)ffn_up\(suffix).weight", shape, parts: parts, rows: half..<2 * half),
      ]
    }
    switch part {
    case "attention.query.weight":
      return [GGUFTensor(layer + (configuration.latent?.queryRank == nil ? "attn_q" : "attn_q_b") + ".weight", shape)]
    case "attention.key_value_up.weight":
      guard let a = configuration.latent else { fatalError("GGUFDeepSeek2: no latent attention") }
      let (keys, all) = (a.nopeWidth, a.nopeWidth + a.valueWidth)
      return [
        GGUFTensor("\(layer)attn_k_b.weight", shape, parts: a.headCount, rows: 0..<keys, isTransposed: true),
        GGUFTensor("\(layer)attn_v_b.weight", shape, parts: a.headCount, rows: keys..<all),
      ]
    case "mixer.gate_up.weight": return gateUp("")
    case "mixer.experts.gate_up.weight": return gateUp("_exps", parts: shape[0])
    case "mixer.shared.gate_up.weight": return gateUp("_shexp")
    default:
      guard let name = wholeParts[part] else { fatalError("GGUFDeepSeek2: no name for \(parameter) in llama.cpp") }
      return [GGUFTensor(layer + name, shape)]
    }
  }
}
