internal import Foundation
internal import NanoAutograd
internal import NanoLayers
public import NanoTensor

/// `DeepseekV3ForCausalLM`, whose architecture Kimi K2's is.
extension NanoKimiK2: HuggingFaceModel {
  public static let architecture = "DeepseekV3ForCausalLM"

  public static func configuration(
    fromHuggingFace json: [String: Any]
  ) throws(ConfigurationError) -> NanoKimiK2Configuration {
    let reader = HuggingFaceReader(json: json)
    try reader.require("hidden_act", "silu") { $0 as? String }
    try reader.require("attention_bias", false) { ($0 as? NSNumber)?.boolValue }
    try reader.require("n_group", 1) { ($0 as? NSNumber)?.intValue }
    try reader.require("moe_layer_freq", 1) { ($0 as? NSNumber)?.intValue }
    let scaling = json["rope_scaling"] as? [String: Any]
    guard scaling == nil || (scaling?["rope_type"] ?? scaling?["type"]) as? String == "default" else {
      throw ConfigurationError("'rope_scaling' asks for scaled positions, which are not supported")
    }
    let heads = try reader.integer("num_attention_heads")
    guard try reader.integer("num_key_value_heads", default: heads) == heads else {
      throw ConfigurationError("'num_key_value_heads' differs from 'num_attention_heads'")
    }
    let rotaryParameters = json["rope_parameters"] as? [String: Any] ?? [:]
    let base = try HuggingFaceReader(json: rotaryParameters).number("rope_theta", default: 10_000)
    let width = try reader.integer("hidden_size")
    let context = try reader.integer("max_position_embeddings", default: 4096)
    let layers = try reader.integer("num_hidden_layers")
    var configuration = NanoKimiK2Configuration(
      vocabularySize: try reader.integer("vocab_size"), contextLength: context, layerCount: layers,
      denseLayerCount: min(layers, try reader.integer("first_k_dense_replace", default: 3)),
      denseWidth: try reader.integer("intermediate_size"),
      attention: LatentAttention.Configuration(
        width: width, headCount: heads,
        positionFreeWidth: try reader.integer("qk_nope_head_dim"),
        rotaryWidth: try reader.integer("qk_rope_head_dim"),
        valueWidth: try reader.integer("v_head_dim"),
        keyValueRank: try reader.integer("kv_lora_rank"),
        queryRank: reader.isNull("q_lora_rank") ? nil : try reader.integer("q_lora_rank"),
        rotaryBase: try reader.number("rope_theta", default: base),
        rotaryLayout: reader.flag("rope_interleave", default: true) ? .interleaved : .halves,
        contextLength: context),
      mixture: SparseMoELayer.Configuration(
        modelWidth: width, expertWidth: try reader.integer("moe_intermediate_size"),
        expertCount: try reader.integer("n_routed_experts"),
        chosenCount: try reader.integer("num_experts_per_tok"),
        sharedCount: try reader.integer("n_shared_experts", default: 0),
        normalizesWeights: reader.flag("norm_topk_prob", default: true),
        scale: Float(try reader.number("routed_scaling_factor", default: 1))),
      tiesHead: reader.flag("tie_word_embeddings", default: false))
    configuration.normEpsilon = Float(try reader.number("rms_norm_eps", default: 1e-6))
    try configuration.validate()
    return configuration
  }

  public func huggingFaceConfiguration() throws(ConfigurationError) -> [String: Any] {
    let (c, a, m) = (configuration, configuration.attention, configuration.mixture)
    guard m.scoring == .sigmoid else {
      throw ConfigurationError(
        "transformers' DeepseekV3 has no softmax gating; only sigmoid-gated models can be exported")
    }
    return [
      "architectures": [Self.architecture], "model_type": "deepseek_v3",
      "vocab_size": c.vocabularySize, "hidden_size": c.width, "intermediate_size": c.denseWidth,
      "moe_intermediate_size": m.expertWidth, "num_hidden_layers": c.layerCount,
      "num_attention_heads": a.headCount, "num_key_value_heads": a.headCount,
      "n_shared_experts": m.sharedCount, "n_routed_experts": m.expertCount,
      "num_experts_per_tok": m.chosenCount, "routed_scaling_factor": Double("\(m.scale)")!,
      "norm_topk_prob": m.normalizesWeights, "n_group": 1, "topk_group": 1,
      "first_k_dense_replace": c.denseLayerCount,
      "q_lora_rank": a.queryRank.map { $0 as Any } ?? NSNull(), "kv_lora_rank": a.keyValueRank,
      "qk_nope_head_dim": a.positionFreeWidth, "qk_rope_head_dim": a.rotaryWidth,
      "v_head_dim": a.valueWidth, "hidden_act": "silu", "max_position_embeddings": c.contextLength,
      "rms_norm_eps": Double("\(c.normEpsilon)")!, "rope_theta": a.rotaryBase,
      "rope_scaling": NSNull(), "rope_interleave": a.rotaryLayout == .interleaved,
      "attention_bias": false, "attention_dropout": 0.0, "tie_word_embeddings": c.tiesHead,
      "bos_token_id": NSNull(), "eos_token_id": NSNull(), "num_nextn_predict_layers": 0,
      "torch_dtype": "float32", "use_cache": true,
    ]
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
    case "attention.query_norm.weight": return whole(layer + "self_attn.q_a_layernorm.weight")
    case "attention.query.weight":
      let name = configuration.attention.queryRank == nil ? "q_proj" : "q_b_proj"
      return whole(layer + "self_attn.\(name).weight")
    case "attention.key_value_down.weight":
      return whole(layer + "self_attn.kv_a_proj_with_mqa.weight")
    case "attention.key_value_norm.weight": return whole(layer + "self_attn.kv_a_layernorm.weight")
    case "attention.key_value_up.weight": return whole(layer + "self_attn.kv_b_proj.weight")
    case "attention.projection.weight": return whole(layer + "self_attn.o_proj.weight")
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
