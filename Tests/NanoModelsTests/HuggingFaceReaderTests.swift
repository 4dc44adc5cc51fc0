import Foundation
import NanoAutograd
import NanoLayers
import NanoModels
import NanoTestSupport
import Testing

/// The configuration of a golden checkpoint.
private func goldenConfiguration(_ name: String) throws -> JSONObject {
  guard case .object(let object) = try JSONValue(parsing: Fixture.data("\(name)/config.json")) else {
    throw ConfigurationError("\(name): no object")
  }
  return object
}

private func expectRefusal(
  _ name: String, _ key: String, _ value: JSONValue?,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let json = try goldenConfiguration(name).setting(key, to: value)
  #expect(sourceLocation: sourceLocation) {
    try HuggingFaceDescription(json)
  } throws: {
    "\($0)".contains(key)
  }
}

/// Keys with values that would make transformers compute something else, or nothing.
@Test(
  arguments: [
    ("hidden_act", "gelu"), ("attention_bias", 0), ("norm_topk_prob", "false"), ("norm_topk_prob", nil),
    ("norm_topk_prob", 1), ("scoring_func", "softmax"), ("topk_method", "greedy"), ("moe_layer_freq", 2),
    ("rms_norm_eps", -1e-6), ("rms_norm_eps", 0), ("rms_norm_eps", "1e-6"), ("rms_norm_eps", .number(1e39)),
    ("rope_theta", -10_000), ("rope_theta", 0), ("rope_theta", .number(1e39)), ("rope_theta", true),
    ("routed_scaling_factor", -1), ("routed_scaling_factor", "2.5"), ("hidden_size", .number(24.5)),
    ("hidden_size", "24"), ("hidden_size", true), ("vocab_size", 0), ("vocab_size", -1), ("num_hidden_layers", nil),
    ("num_key_value_heads", 1), ("qk_head_dim", 13), ("head_dim", 8), ("n_group", 3), ("n_group", 4), ("n_group", nil),
    ("topk_group", 2), ("num_experts_per_tok", 5), ("n_shared_experts", -1), ("rope_interleave", "no"),
    ("tie_word_embeddings", "true"), ("partial_rotary_factor", .number(0.5)), ("first_k_dense_replace", -1),
    ("attention_dropout", "0"), ("attention_dropout", 2), ("num_nextn_predict_layers", -1), ("q_lora_rank", "none"),
    ("quantization_config", ["quant_method": "gptq"]), ("rope_scaling", "yarn"), ("rope_scaling", ["type": "dynamic"]),
    ("rope_scaling", ["type": "linear", "factor": 0]), ("rope_scaling", ["type": "linear", "factor": true]),
    ("rope_scaling", ["rope_type": "default", "factor": 2]), ("rope_parameters", ["rope_type": "longrope"]),
    ("rope_parameters", ["rope_type": "linear", "factor": 2, "rope_theta": 5_000]), ("model_type", "llama"),
    ("architectures", ["LlamaForCausalLM"]), ("dtype", "int8"), ("eos_token_id", "2"), ("is_encoder_decoder", true),
    ("repetition_penalty", .number(1.2)), ("sliding_window", 8), ("sliding_window", nil), ("use_qk_norm", true),
  ] as [(String, JSONValue)])
func deepSeekKeysAreRefusedByName(key: String, value: JSONValue) throws {
  try expectRefusal("deepseek_v3", key, value)
}

@Test(
  arguments: [
    ("activation_function", "swish"), ("activation_function", 1), ("layer_norm_epsilon", -1e-5),
    ("layer_norm_epsilon", .number(1e39)), ("layer_norm_epsilon", nil), ("scale_attn_weights", false),
    ("scale_attn_weights", "true"), ("scale_attn_by_inverse_layer_idx", true), ("n_inner", 0),
    ("n_inner", .number(1.5)),
    ("n_ctx", 17), ("hidden_size", 25), ("add_cross_attention", true), ("tie_word_embeddings", 0), ("n_head", 5),
    ("n_embd", nil), ("resid_pdrop", "0.1"), ("attn_pdrop", -1), ("pruned_heads", ["0": [1]]), ("rope_theta", 10_000),
    ("model_type", "gpt_neo"),
  ] as [(String, JSONValue)])
func gpt2KeysAreRefusedByName(key: String, value: JSONValue) throws {
  if key == "n_head" {  // a size that contradicts another is named as this project calls it
    let json = try goldenConfiguration("gpt2").setting(key, to: value)
    #expect(throws: ConfigurationError.self) { try HuggingFaceDescription(json) }
  } else {
    try expectRefusal("gpt2", key, value)
  }
}

@Test func missingSizesAreNamed() throws {
  for key in ["vocab_size", "hidden_size", "kv_lora_rank", "n_routed_experts", "num_experts_per_tok"] {
    try expectRefusal("deepseek_v3", key, nil)
  }
  for key in ["vocab_size", "n_embd", "n_positions"] { try expectRefusal("gpt2", key, nil) }
}

/// What transformers takes for keys that are not there.
@Test func defaultsAreThoseOfTransformers() throws {
  var json = try goldenConfiguration("deepseek_v3")
  for key in ["n_group", "topk_group", "routed_scaling_factor", "n_shared_experts", "q_lora_rank", "rope_theta"] {
    json = json.setting(key, to: nil)
  }
  json = json.setting("n_routed_experts", to: 32)
  let configuration = try HuggingFaceDescription(json).configuration
  let experts = try #require(configuration.sparseMoE)
  #expect(experts.groups?.count == 8 && experts.groups?.topK == 4)
  #expect(experts.scale == 2.5 && experts.sharedExpertCount == 1)
  #expect(configuration.latent?.queryRank == 1536 && configuration.positions == .rotary(base: 10_000))
  let gpt = try HuggingFaceDescription(
    try goldenConfiguration("gpt2").setting("activation_function", to: nil))
  #expect(gpt.configuration.feedForward == .mlp(width: 96, activation: .geluTanh, hasBias: true))
}

/// What surrounds the sizes in the public configurations.
private let publicConfigurations: [(String, [(String, JSONValue)])] = [
  (
    "DeepSeek-V3",
    [
      ("auto_map", ["AutoConfig": "configuration_deepseek.DeepseekV3Config"]), ("aux_loss_alpha", .number(0.001)),
      ("bos_token_id", 0), ("eos_token_id", 1), ("ep_size", 1), ("first_k_dense_replace", 1), ("moe_layer_freq", 1),
      ("n_group", 2), ("topk_group", 1), ("num_nextn_predict_layers", 1), ("pretraining_tp", 1),
      ("max_position_embeddings", 163_840),
      (
        "quantization_config",
        ["activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]]
      ),
      (
        "rope_scaling",
        [
          "beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": .number(1), "mscale_all_dim": .number(1),
          "original_max_position_embeddings": 4096, "type": "yarn",
        ]
      ), ("rope_theta", 10_000), ("routed_scaling_factor", .number(2.5)), ("scoring_func", "sigmoid"),
      ("seq_aux", true),
      ("topk_method", "noaux_tc"), ("torch_dtype", "bfloat16"), ("transformers_version", "4.33.1"),
    ]
  ),
  (
    "Kimi K2",
    [
      ("model_type", "kimi_k2"), ("max_position_embeddings", 262_144), ("bos_token_id", 163_584),
      ("eos_token_id", 163_585), ("num_nextn_predict_layers", 0), ("rope_theta", .number(50_000)),
      (
        "rope_scaling",
        [
          "beta_fast": .number(1), "beta_slow": .number(1), "factor": .number(64), "mscale": .number(1),
          "mscale_all_dim": .number(1), "original_max_position_embeddings": 4096, "type": "yarn",
        ]
      ), ("routed_scaling_factor", .number(2.827)), ("scoring_func", "sigmoid"), ("topk_method", "noaux_tc"),
      ("aux_loss_alpha", .number(0.001)), ("auto_map", [:]), ("ep_size", 1), ("seq_aux", true), ("use_cache", true),
    ]
  ),
  (
    "Moonlight",
    [
      ("max_position_embeddings", 8192), ("rope_theta", .number(50_000)), ("rope_scaling", nil), ("n_group", 1),
      ("topk_group", 1), ("routed_scaling_factor", .number(2.446)), ("q_lora_rank", nil), ("scoring_func", "sigmoid"),
      ("pad_token_id", 163_838), ("num_nextn_predict_layers", 0), ("_attn_implementation_autoset", true),
    ]
  ),
]

@Test(arguments: publicConfigurations.indices)
func publicConfigurationsScaledDownAreRead(index: Int) throws {
  let (name, settings) = publicConfigurations[index]
  var json = try goldenConfiguration("deepseek_v3")
  for (key, value) in settings { json = json.setting(key, to: value) }
  let description = try HuggingFaceDescription(json)
  switch name {
  case "DeepSeek-V3":
    #expect(description.nextTokenLayers == 3..<4)
    #expect(description.leavesOut("model.layers.3.eh_proj.weight"))
    #expect(!description.leavesOut("model.layers.2.mlp.gate.weight"))
    // (0.1 ln 40 + 1)² / √12
    let expected = pow(0.1 * log(40) + 1, 2) / 12.0.squareRoot()
    let factor = Double(try #require(description.configuration.rotary).logitFactor)
    #expect(abs(factor / 12.0.squareRoot() - expected) < 1e-6)
  case "Kimi K2": #expect(description.configuration.contextLength == 262_144)
  default: #expect(description.configuration.rotary?.logitFactor == 1)
  }
}
