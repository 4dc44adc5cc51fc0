internal import Foundation
internal import NanoAutograd
internal import NanoLayers
internal import NanoTensor

/// `DeepseekV3ForCausalLM`, whose architecture Kimi K2's is.
enum DeepSeekV3Format: HuggingFaceFormat {
  static let architectures = ["DeepseekV3ForCausalLM", "DeepseekV3Model"]
  static let modelTypes = ["deepseek_v3", "kimi_k2"]
  static let tensorPrefix = "model."

  static func description(of json: JSONObject) throws(ConfigurationError) -> HuggingFaceDescription {
    var reader = HuggingFaceReader(json)
    let width = try reader.integer("hidden_size", in: 1...1 << 14)
    let layers = try reader.integer("num_hidden_layers", in: 1...1 << 10)
    let context = try reader.integer("max_position_embeddings", in: 1...1 << 18, default: 4096)
    let vocabularySize = try reader.integer("vocab_size", in: 1...1 << 20)
    let denseLayers = try reader.integer("first_k_dense_replace", in: 0...1 << 10, default: 3)
    let denseWidth = try reader.integer("intermediate_size", in: 1...1 << 18)
    let attention = try attention(&reader)
    let rotary = try reader.rotary(contextLength: context)
    let isInterleaved = try reader.flag("rope_interleave", default: true)
    let experts = try experts(&reader)
    let isTied = try reader.flag("tie_word_embeddings", default: false)
    let epsilon = try reader.number("rms_norm_eps", in: 1e-12...1, default: 1e-6)
    let configuration = DecoderConfiguration(
      vocabularySize: vocabularySize, contextLength: context, width: width, layerCount: layers,
      positions: .rotary(
        base: rotary.base, layout: isInterleaved ? .interleaved : .halves, scaling: rotary.scaling),
      norm: .rmsNorm(epsilon: Float(epsilon)), attention: .latent(attention),
      feedForward: .sparseMoE(
        experts: experts, denseLayerCount: min(layers, denseLayers), denseWidth: denseWidth),
      head: isTied ? .tied : .own(hasBias: false))
    try reader.require("hidden_act", .string("silu"))
    _ = try reader.number("attention_dropout", in: 0...1, default: 0)
    let further = try reader.integer("num_nextn_predict_layers", in: 0...1 << 10, default: 0)
    if reader.has("num_nextn_predict_layers") {
      try reader.require("num_mtp_layers", .integer(further))
    }
    let extra = try reader.integer("num_mtp_layers", in: 0...1 << 10, default: further)
    let block = try reader.scaleBlock()
    let ends = try reader.finish(architectures: architectures, modelTypes: modelTypes)
    try configuration.validate()
    return HuggingFaceDescription(
      configuration, Self.self, endsOfText: ends, nextTokenLayers: layers..<layers + extra, scaleBlock: block)
  }

  private static func attention(
    _ reader: inout HuggingFaceReader
  ) throws(ConfigurationError) -> MultiHeadLatentAttention.Configuration {
    let sizes = 1...1 << 10
    let heads = try reader.integer("num_attention_heads", in: sizes)
    try reader.require("num_key_value_heads", .integer(heads), orNull: true)
    let nope = try reader.integer("qk_nope_head_dim", in: sizes)
    let rope = try reader.integer("qk_rope_head_dim", in: sizes)
    // What follows from these two, and what the rotation of transformers 4 goes by.
    try reader.require("qk_head_dim", .integer(nope + rope))
    try reader.require("head_dim", .integer(rope))
    return MultiHeadLatentAttention.Configuration(
      headCount: heads, nopeWidth: nope, ropeWidth: rope, valueWidth: try reader.integer("v_head_dim", in: sizes),
      keyValueRank: try reader.integer("kv_lora_rank", in: 1...1 << 14),
      queryRank: try reader.optionalInteger("q_lora_rank", in: 1...1 << 14, default: 1536),
      hasBias: try reader.flag("attention_bias", default: false))
  }

  private static func experts(
    _ reader: inout HuggingFaceReader
  ) throws(ConfigurationError) -> SparseMoE.Configuration {
    let counts = 1...1 << 10
    let experts = try reader.integer("n_routed_experts", in: counts)
    try reader.require("num_local_experts", .integer(experts))
    try reader.require("moe_layer_freq", .integer(1))
    try reader.require("scoring_func", .string("sigmoid"))
    try reader.require("topk_method", .string("noaux_tc"))
    let groupCount = try reader.integer("n_group", in: counts, default: 8)
    guard experts % groupCount == 0, experts / groupCount >= 2 else {
      throw reader.refusal(
        "n_group",
        "makes \(groupCount) groups of \(experts) experts; they must be equal, and have 2 or more each")
    }
    let groups = ExpertGroups(
      count: groupCount, topK: try reader.integer("topk_group", in: 1...groupCount, default: 4))
    let reachable = experts / groupCount * groups.topK
    return SparseMoE.Configuration(
      expertCount: experts, topK: try reader.integer("num_experts_per_tok", in: 1...reachable),
      expertWidth: try reader.integer("moe_intermediate_size", in: 1...1 << 16),
      sharedExpertCount: try reader.integer("n_shared_experts", in: 0...64, default: 1),
      // All groups of all: the choice is that of no groups.
      groups: groups.topK == groups.count ? nil : groups,
      normalizesWeights: try reader.flag("norm_topk_prob", default: true),
      scale: Float(try reader.number("routed_scaling_factor", in: 1e-6...1e6, default: 2.5)))
  }

  static func isBuffer(_ name: Substring) -> Bool {
    name.wholeMatch(of: #/(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq/#) != nil
  }

  static func json(of c: DecoderConfiguration) throws(ConfigurationError) -> [String: Any] {
    func require(_ condition: Bool, _ what: String) throws(ConfigurationError) {
      guard condition else {
        throw ConfigurationError("transformers' DeepseekV3 \(what); such a model cannot be exported")
      }
    }
    try require(
      !c.hasPreviousTokenEmbedding && c.convolutionKernelSize == 1,
      "has no embedding of the previous token and no convolution")
    guard case .rotary(let base, let layout, let scaling) = c.positions, case .rmsNorm(let epsilon) = c.norm,
      let a = c.latent, case .sparseMoE(let m, let denseLayerCount, let denseWidth) = c.feedForward
    else {
      throw ConfigurationError(
        "transformers' DeepseekV3 has rotary positions, RMS norms, latent attention and sparse mixtures; a model with "
          + "learned positions, layer norms or other feed-forward networks instead cannot be exported")
    }
    try require(!a.hasQueryKeyNorm, "has no QK-norm")
    try require(c.head != .own(hasBias: true), "has no bias on the head")
    try require(m.scoring == .sigmoid, "has sigmoid gating alone, this model softmax gating")
    let groups = m.groups ?? ExpertGroups(count: 1, topK: 1)
    guard denseLayerCount == c.layerCount || m.expertCount / groups.count >= 2 else {
      throw ConfigurationError(
        "transformers' DeepseekV3 cannot run groups of one expert; this model has \(m.expertCount) in "
          + "\(groups.count), and only models with 2 or more a group can be exported")
    }
    var json: [String: Any] = [
      "architectures": [architectures[0]], "model_type": "deepseek_v3",
      "vocab_size": c.vocabularySize, "hidden_size": c.width, "intermediate_size": denseWidth,
      "moe_intermediate_size": m.expertWidth, "num_hidden_layers": c.layerCount,
      "num_attention_heads": a.headCount, "num_key_value_heads": a.headCount,
      "n_shared_experts": m.sharedExpertCount, "n_routed_experts": m.expertCount,
      "num_experts_per_tok": m.topK, "routed_scaling_factor": Double("\(m.scale)")!,
      "norm_topk_prob": m.normalizesWeights, "n_group": groups.count,
      "topk_group": groups.topK, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
      "moe_layer_freq": 1, "first_k_dense_replace": denseLayerCount,
      "q_lora_rank": a.queryRank.map { $0 as Any } ?? NSNull(), "kv_lora_rank": a.keyValueRank,
      "qk_nope_head_dim": a.nopeWidth, "qk_rope_head_dim": a.ropeWidth,
      "v_head_dim": a.valueWidth, "hidden_act": "silu", "max_position_embeddings": c.contextLength,
      "rms_norm_eps": Double("\(epsilon)")!, "rope_theta": base,
      "rope_scaling": scaling.map { $0.huggingFace as Any } ?? NSNull(),
      "rope_interleave": layout == .interleaved, "attention_bias": a.hasBias,
      "attention_dropout": 0.0, "tie_word_embeddings": c.head == .tied, "bos_token_id": NSNull(),
      "eos_token_id": NSNull(), "num_nextn_predict_layers": 0, "torch_dtype": "float32",
      "use_cache": true,
    ]
    // The joint product over experts of transformers 5 takes rows of whole 16 bytes only.
    if m.expertWidth % 4 != 0 || c.width % 4 != 0 { json["experts_implementation"] = "eager" }
    return json
  }

  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [HuggingFaceTensor] {
    func whole(_ name: String) -> [HuggingFaceTensor] { [HuggingFaceTensor(name, shape: shape)] }
    switch parameter {
    case "token_embedding.weight": return whole("model.embed_tokens.weight")
    case "final_norm.weight": return whole("model.norm.weight")
    case "head.weight": return whole("lm_head.weight")
    default: break
    }
    // blocks.<layer>.<part>
    let path = parameter.split(separator: ".", maxSplits: 2)
    let layer = "model.layers.\(path[1])."
    /// Gate rows, then up rows.
    func gateUp(_ prefix: String) -> [HuggingFaceTensor] {
      let half: Shape = [shape[shape.rank - 2] / 2, shape.width]
      return ["gate", "up"].map {
        HuggingFaceTensor("\(layer)\(prefix).\($0)_proj.weight", shape: half)
      }
    }
    switch path[2] {
    case "attention_norm.weight": return whole(layer + "input_layernorm.weight")
    case "attention.query_down.weight": return whole(layer + "self_attn.q_a_proj.weight")
    case "attention.query_down.bias": return whole(layer + "self_attn.q_a_proj.bias")
    case "attention.query_norm.weight": return whole(layer + "self_attn.q_a_layernorm.weight")
    case "attention.query.weight":
      let name = configuration.latent?.queryRank == nil ? "q_proj" : "q_b_proj"
      return whole(layer + "self_attn.\(name).weight")
    case "attention.key_value_down.weight":
      return whole(layer + "self_attn.kv_a_proj_with_mqa.weight")
    case "attention.key_value_down.bias": return whole(layer + "self_attn.kv_a_proj_with_mqa.bias")
    case "attention.key_value_norm.weight": return whole(layer + "self_attn.kv_a_layernorm.weight")
    case "attention.key_value_up.weight": return whole(layer + "self_attn.kv_b_proj.weight")
    case "attention.projection.weight": return whole(layer + "self_attn.o_proj.weight")
    case "attention.projection.bias": return whole(layer + "self_attn.o_proj.bias")
    case "mixer_norm.weight": return whole(layer + "post_attention_layernorm.weight")
    case "mixer.gate_up.weight": return gateUp("mlp")
    case "mixer.down.weight": return whole(layer + "mlp.down_proj.weight")
    case "mixer.router.weight": return whole(layer + "mlp.gate.weight")
    case "mixer.router.selection_biases":
      return whole(layer + "mlp.gate.e_score_correction_bias")
    case "mixer.experts.gate_up.weight":
      return (0..<shape[0]).flatMap { gateUp("mlp.experts.\($0)") }
    case "mixer.experts.down.weight":
      return (0..<shape[0]).map {
        HuggingFaceTensor(
          "\(layer)mlp.experts.\($0).down_proj.weight", shape: [shape[1], shape[2]])
      }
    case "mixer.shared.gate_up.weight": return gateUp("mlp.shared_experts")
    case "mixer.shared.down.weight": return whole(layer + "mlp.shared_experts.down_proj.weight")
    default: fatalError("DeepSeekV3Format: no name for \(parameter) in transformers")
    }
  }
}
