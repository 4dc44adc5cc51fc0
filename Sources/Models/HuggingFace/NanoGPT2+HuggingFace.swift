internal import Foundation
internal import NanoLayers
public import NanoTensor

/// `GPT2LMHeadModel`.
extension NanoGPT2: HuggingFaceModel {
  public static let architectures = ["GPT2LMHeadModel", "GPT2Model"]
  public static let tensorPrefix = "transformer."

  private static let activations: [String: FeedForward.Activation] = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh, "relu": .relu,
  ]

  public static func description(
    ofHuggingFace json: JSONObject
  ) throws(ConfigurationError) -> HuggingFaceDescription<NanoGPT2> {
    var reader = HuggingFaceReader(json)
    var configuration = NanoGPT2Configuration(
      vocabularySize: try reader.integer("vocab_size", in: 1...1 << 20),
      contextLength: try reader.integer("n_positions", in: 1...1 << 18),
      width: try reader.integer("n_embd", in: 1...1 << 14),
      layerCount: try reader.integer("n_layer", in: 1...1 << 10),
      headCount: try reader.integer("n_head", in: 1...1 << 10))
    let activation = try reader.text(
      "activation_function", oneOf: activations.keys.sorted(), default: "gelu_new")
    configuration.activation = activations[activation]
    configuration.innerWidth = try reader.optionalInteger("n_inner", in: 1...1 << 18)
    configuration.normEpsilon = Float(
      try reader.number("layer_norm_epsilon", in: 1e-12...1, default: 1e-5))
    configuration.hasOwnHead = try reader.flag("tie_word_embeddings", default: true) ? nil : true
    // The older name for the context, and what other configurations call these sizes.
    for (key, size) in [
      ("n_ctx", configuration.contextLength), ("max_position_embeddings", configuration.contextLength),
      ("hidden_size", configuration.width), ("num_hidden_layers", configuration.layerCount),
      ("num_attention_heads", configuration.headCount),
    ] { try reader.require(key, .integer(size)) }
    try reader.require("scale_attn_weights", .boolean(true))
    try reader.require("scale_attn_by_inverse_layer_idx", .boolean(false))
    for key in ["resid_pdrop", "embd_pdrop", "attn_pdrop"] {
      _ = try reader.number(key, in: 0...1, default: 0)
    }
    let ends = try reader.finish(architectures: architectures, modelTypes: ["gpt2"])
    try configuration.validate()
    return HuggingFaceDescription(configuration, endsOfText: ends)
  }

  /// The causal masks of older checkpoints.
  public static func isBuffer(_ name: Substring) -> Bool {
    name.wholeMatch(of: #/h\.\d+\.attn\.(masked_)?bias/#) != nil
  }

  public func huggingFaceConfiguration() -> [String: Any] {
    let c = configuration
    let activation =
      switch c.activation ?? .gelu {
      case .relu: "relu"
      case .gelu: "gelu"
      case .geluTanh: "gelu_new"
      }
    return [
      "architectures": [Self.architectures[0]], "model_type": "gpt2",
      "vocab_size": c.vocabularySize, "n_positions": c.contextLength, "n_ctx": c.contextLength,
      "n_embd": c.width, "n_layer": c.layerCount, "n_head": c.headCount,
      "n_inner": c.innerWidth.map { $0 as Any } ?? NSNull(), "activation_function": activation,
      "layer_norm_epsilon": Double("\(c.normEpsilon ?? 1e-5)")!, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
      "attn_pdrop": 0.0, "tie_word_embeddings": c.hasOwnHead != true, "bos_token_id": NSNull(),
      "eos_token_id": NSNull(), "torch_dtype": "float32",
    ]
  }

  public func huggingFaceTensors(for parameter: String, shape: Shape) -> [HuggingFaceTensor] {
    func whole(_ name: String) -> [HuggingFaceTensor] {
      [HuggingFaceTensor("transformer." + name, shape: shape)]
    }
    switch parameter {
    case "token_embedding.weight": return whole("wte.weight")
    case "position_embedding.weight": return whole("wpe.weight")
    case "final_norm.weight": return whole("ln_f.weight")
    case "final_norm.bias": return whole("ln_f.bias")
    case "head.weight": return [HuggingFaceTensor("lm_head.weight", shape: shape)]
    default: break
    }
    // blocks.<layer>.<part>.<weight or bias>
    let path = parameter.split(separator: ".", maxSplits: 2)
    let parts = [
      "attention_norm": "ln_1", "attention.query_key_value": "attn.c_attn",
      "attention.projection": "attn.c_proj", "mixer_norm": "ln_2", "mixer.expansion": "mlp.c_fc",
      "mixer.contraction": "mlp.c_proj",
    ]
    let dot = path[2].lastIndex(of: ".")!
    guard let part = parts[String(path[2][..<dot])] else {
      fatalError("NanoGPT2: no name for \(parameter) in transformers")
    }
    let name = "h.\(path[1]).\(part)\(path[2][dot...])"
    guard shape.rank == 2 else { return whole(name) }
    return [
      HuggingFaceTensor("transformer." + name, shape: [shape[1], shape[0]], isTransposed: true)
    ]
  }
}
