internal import Foundation
internal import NanoLayers
internal import NanoTensor

/// `GPT2LMHeadModel`.
enum GPT2Format: HuggingFaceFormat {
  static let architectures = ["GPT2LMHeadModel", "GPT2Model"]
  static let modelTypes = ["gpt2"]
  static let tensorPrefix = "transformer."

  /// An export takes the first name of a function.
  private static let activations: KeyValuePairs<String, ActivationFunction> = [
    "gelu": .gelu, "gelu_new": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_fast": .geluTanh, "relu": .relu,
    "relu2": .reluSquared,
  ]

  static func description(of json: JSONObject) throws(ConfigurationError) -> HuggingFaceDescription {
    var reader = HuggingFaceReader(json)
    let width = try reader.integer("n_embd", in: 1...1 << 14)
    var configuration = DecoderConfiguration.nanoGPT2(
      vocabularySize: try reader.integer("vocab_size", in: 1...1 << 20),
      contextLength: try reader.integer("n_positions", in: 1...1 << 18), width: width,
      layerCount: try reader.integer("n_layer", in: 1...1 << 10),
      headCount: try reader.integer("n_head", in: 1...1 << 10))
    let activation = try reader.text(
      "activation_function", oneOf: activations.map(\.key).sorted(), default: "gelu_new")
    configuration.feedForward = .mlp(
      width: try reader.optionalInteger("n_inner", in: 1...1 << 18) ?? 4 * width,
      activation: activations.first { $0.key == activation }?.value ?? .geluTanh, hasBias: true)
    configuration.norm = .layerNorm(
      epsilon: Float(try reader.number("layer_norm_epsilon", in: 1e-12...1, default: 1e-5)))
    if try !reader.flag("tie_word_embeddings", default: true) { configuration.head = .own(hasBias: false) }
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
    let ends = try reader.finish(architectures: architectures, modelTypes: modelTypes)
    try configuration.validate()
    return HuggingFaceDescription(configuration, Self.self, endsOfText: ends)
  }

  /// The causal masks of older checkpoints.
  static func isBuffer(_ name: Substring) -> Bool {
    name.wholeMatch(of: #/h\.\d+\.attn\.(masked_)?bias/#) != nil
  }

  static func json(of c: DecoderConfiguration) throws(ConfigurationError) -> [String: Any] {
    func require(_ condition: Bool, _ what: String) throws(ConfigurationError) {
      guard condition else {
        throw ConfigurationError("transformers' GPT2 \(what); such a model cannot be exported")
      }
    }
    try require(
      !c.hasPreviousTokenEmbedding && c.convolutionKernelSize == 1,
      "has no embedding of the previous token and no convolution")
    try require(c.positions == .learned, "has learned positions, this model rotary ones")
    guard case .layerNorm(let epsilon) = c.norm, let heads = c.multiHead,
      case .mlp(let innerWidth, let activation, let hasBias) = c.feedForward
    else {
      throw ConfigurationError(
        "transformers' GPT2 has layer norms, multi-head attention and an MLP; a model with RMS norms, SwiGLU or a mixture "
          + "of experts instead cannot be exported")
    }
    try require(
      heads.hasQueryKeyValueBias && heads.hasProjectionBias && hasBias, "has biases on all maps, this model not")
    try require(heads.scale == .headWidth, "scales attention by the width of a head, this model by its own")
    try require(!heads.hasQueryKeyNorm, "has no QK-norm")
    try require(c.head != .own(hasBias: true), "has no bias on the head")
    let name = activations.first { $0.value == activation }?.key
    try require(name != nil, "does not know the activation function \(activation.rawValue)")
    return [
      "architectures": [architectures[0]], "model_type": "gpt2",
      "vocab_size": c.vocabularySize, "n_positions": c.contextLength, "n_ctx": c.contextLength,
      "n_embd": c.width, "n_layer": c.layerCount, "n_head": c.headCount,
      "n_inner": innerWidth == 4 * c.width ? NSNull() : innerWidth as Any,
      "activation_function": name as Any, "layer_norm_epsilon": Double("\(epsilon)")!,
      "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "tie_word_embeddings": c.head == .tied,
      "bos_token_id": NSNull(), "eos_token_id": NSNull(), "torch_dtype": "float32",
    ]
  }

  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [HuggingFaceTensor] {
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
      fatalError("GPT2Format: no name for \(parameter) in transformers")
    }
    let name = "h.\(path[1]).\(part)\(path[2][dot...])"
    guard shape.rank == 2 else { return whole(name) }
    return [
      HuggingFaceTensor("transformer." + name, shape: [shape[1], shape[0]], isTransposed: true)
    ]
  }
}
