internal import Foundation
internal import NanoAutograd
internal import NanoLayers
public import NanoTensor

/// `DeepseekV3ForCausalLM`, whose architecture Kimi K2's is.
extension NanoKimiK2: HuggingFaceModel {
  public static let architectures = ["DeepseekV3ForCausalLM", "DeepseekV3Model"]
  public static let tensorPrefix = "model."

  public static func description(
    ofHuggingFace json: JSONObject
  ) throws(ConfigurationError) -> HuggingFaceDescription<NanoKimiK2> {
    var reader = HuggingFaceReader(json)
    let width = try reader.integer("hidden_size", in: 1...1 << 14)
    let layers = try reader.integer("num_hidden_layers", in: 1...1 << 10)
    let context = try reader.integer("max_position_embeddings", in: 1...1 << 18, default: 4096)
    var configuration = NanoKimiK2Configuration(
      vocabularySize: try reader.integer("vocab_size", in: 1...1 << 20), contextLength: context,
      layerCount: layers,
      denseLayerCount: min(
        layers, try reader.integer("first_k_dense_replace", in: 0...1 << 10, default: 3)),
      denseWidth: try reader.integer("intermediate_size", in: 1...1 << 18),
      attention: try attention(&reader, width: width, context: context),
      mixture: try mixture(&reader, width: width),
      tiesHead: try reader.flag("tie_word_embeddings", default: false))
    configuration.normEpsilon = Float(
      try reader.number("rms_norm_eps", in: 1e-12...1, default: 1e-6))
    try reader.require("hidden_act", .string("silu"))
    _ = try reader.number("attention_dropout", in: 0...1, default: 0)
    let further = try reader.integer("num_nextn_predict_layers", in: 0...1 << 10, default: 0)
    if reader.has("num_nextn_predict_layers") {
      try reader.require("num_mtp_layers", .integer(further))
    }
    let extra = try reader.integer("num_mtp_layers", in: 0...1 << 10, default: further)
    let block = try reader.scaleBlock()
    let ends = try reader.finish(
      architectures: architectures, modelTypes: ["deepseek_v3", "kimi_k2"])
    try configuration.validate()
    return HuggingFaceDescription(
      configuration, endsOfText: ends, nextTokenLayers: layers..<layers + extra, scaleBlock: block)
  }

  private static func attention(
    _ reader: inout HuggingFaceReader, width: Int, context: Int
  ) throws(ConfigurationError) -> LatentAttention.Configuration {
    let sizes = 1...1 << 10
    let heads = try reader.integer("num_attention_heads", in: sizes)
    try reader.require("num_key_value_heads", .integer(heads), orNull: true)
    let positionFree = try reader.integer("qk_nope_head_dim", in: sizes)
    let rotaryWidth = try reader.integer("qk_rope_head_dim", in: sizes)
    // What follows from these two, and what the rotation of transformers 4 goes by.
    try reader.require("qk_head_dim", .integer(positionFree + rotaryWidth))
    try reader.require("head_dim", .integer(rotaryWidth))
    let rotary = try reader.rotary(contextLength: context)
    var attention = LatentAttention.Configuration(
      width: width, headCount: heads, positionFreeWidth: positionFree, rotaryWidth: rotaryWidth,
      valueWidth: try reader.integer("v_head_dim", in: sizes),
      keyValueRank: try reader.integer("kv_lora_rank", in: 1...1 << 14),
      queryRank: try reader.optionalInteger("q_lora_rank", in: 1...1 << 14, default: 1536),
      rotaryBase: rotary.base,
      rotaryLayout: try reader.flag("rope_interleave", default: true) ? .interleaved : .halves,
      rotaryScaling: rotary.scaling, contextLength: context)
    attention.hasBiases = try reader.flag("attention_bias", default: false) ? true : nil
    return attention
  }

  private static func mixture(
    _ reader: inout HuggingFaceReader, width: Int
  ) throws(ConfigurationError) -> SparseMoELayer.Configuration {
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
      count: groupCount, chosenCount: try reader.integer("topk_group", in: 1...groupCount, default: 4))
    let reachable = experts / groupCount * groups.chosenCount
    return SparseMoELayer.Configuration(
      modelWidth: width, expertWidth: try reader.integer("moe_intermediate_size", in: 1...1 << 16),
      expertCount: experts, chosenCount: try reader.integer("num_experts_per_tok", in: 1...reachable),
      sharedCount: try reader.integer("n_shared_experts", in: 0...64, default: 1),
      // All groups of all: the choice is that of no groups.
      groups: groups.chosenCount == groups.count ? nil : groups,
      normalizesWeights: try reader.flag("norm_topk_prob", default: true),
      scale: Float(try reader.number("routed_scaling_factor", in: 1e-6...1e6, default: 2.5)))
  }

  public static func isBuffer(_ name: Substring) -> Bool {
    name.wholeMatch(of: #/(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq/#) != nil
  }

  public func huggingFaceConfiguration() throws(ConfigurationError) -> [String: Any] {
    let (c, a, m) = (configuration, configuration.attention, configuration.mixture)
    guard m.scoring == .sigmoid else {
      throw ConfigurationError(
        "transformers' DeepseekV3 has no softmax gating; only sigmoid-gated models can be exported")
    }
    let groups = m.groups ?? ExpertGroups(count: 1, chosenCount: 1)
    guard c.denseLayerCount == c.layerCount || m.expertCount / groups.count >= 2 else {
      throw ConfigurationError(
        "transformers' DeepseekV3 cannot run groups of one expert; this model has \(m.expertCount) in "
          + "\(groups.count), and only models with 2 or more a group can be exported")
    }
    var json: [String: Any] = [
      "architectures": [Self.architectures[0]], "model_type": "deepseek_v3",
      "vocab_size": c.vocabularySize, "hidden_size": c.width, "intermediate_size": c.denseWidth,
      "moe_intermediate_size": m.expertWidth, "num_hidden_layers": c.layerCount,
      "num_attention_heads": a.headCount, "num_key_value_heads": a.headCount,
      "n_shared_experts": m.sharedCount, "n_routed_experts": m.expertCount,
      "num_experts_per_tok": m.chosenCount, "routed_scaling_factor": Double("\(m.scale)")!,
      "norm_topk_prob": m.normalizesWeights, "n_group": groups.count,
      "topk_group": groups.chosenCount, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
      "moe_layer_freq": 1, "first_k_dense_replace": c.denseLayerCount,
      "q_lora_rank": a.queryRank.map { $0 as Any } ?? NSNull(), "kv_lora_rank": a.keyValueRank,
      "qk_nope_head_dim": a.positionFreeWidth, "qk_rope_head_dim": a.rotaryWidth,
      "v_head_dim": a.valueWidth, "hidden_act": "silu", "max_position_embeddings": c.contextLength,
      "rms_norm_eps": Double("\(c.normEpsilon)")!, "rope_theta": a.rotaryBase,
      "rope_scaling": a.rotaryScaling.map { $0.huggingFace as Any } ?? NSNull(),
      "rope_interleave": a.rotaryLayout == .interleaved, "attention_bias": a.hasBiases == true,
      "attention_dropout": 0.0, "tie_word_embeddings": c.tiesHead, "bos_token_id": NSNull(),
      "eos_token_id": NSNull(), "num_nextn_predict_layers": 0, "torch_dtype": "float32",
      "use_cache": true,
    ]
    // The joint product over experts of transformers 5 takes rows of whole 16 bytes only.
    if m.expertWidth % 4 != 0 || c.width % 4 != 0 { json["experts_implementation"] = "eager" }
    return json
  }

  public func huggingFaceTensors(for parameter: String, shape: Shape) -> [HuggingFaceTensor] {
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
      let name = configuration.attention.queryRank == nil ? "q_proj" : "q_b_proj"
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
    default: fatalError("NanoKimiK2: no name for \(parameter) in transformers")
    }
  }
}
