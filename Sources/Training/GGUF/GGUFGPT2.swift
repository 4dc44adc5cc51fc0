internal import NanoLayers
internal import NanoModels
internal import NanoTensor

/// `gpt2`, the architecture of GPT-2.
///
/// llama.cpp computes GELU in its tanh form and from a table of halves, whatever a model was trained with: logits
/// differ in the third digit.
enum GGUFGPT2: GGUFArchitecture {
  static let name = "gpt2"

  /// llama.cpp has one activation; which one the model was trained with is kept for ourselves.
  private static let activationKey = "feed_forward_activation"

  static func metadata(of model: Decoder) throws(ConfigurationError) -> [(key: String, value: GGUFValue)] {
    _ = try model.huggingFaceConfiguration()
    let c = model.configuration
    guard case .layerNorm(let epsilon) = c.norm, case .mlp(let innerWidth, let activation, _) = c.feedForward else {
      fatalError("GGUFGPT2: transformers' GPT2 has layer norms and an MLP")
    }
    try require(
      activation == .gelu || activation == .geluTanh, "has GELU alone, this model \(activation.rawValue)")
    return [
      ("context_length", .integer(c.contextLength)), ("embedding_length", .integer(c.width)),
      ("block_count", .integer(c.layerCount)), ("feed_forward_length", .integer(innerWidth)),
      ("attention.head_count", .integer(c.headCount)), ("attention.layer_norm_epsilon", .number(Double(epsilon))),
      (activationKey, .string(activation.rawValue)),
    ]
  }

  static func configuration(
    _ reader: inout HuggingFaceReader, vocabularySize: Int, head: DecoderConfiguration.Head
  ) throws(ConfigurationError) -> DecoderConfiguration {
    var configuration = DecoderConfiguration.nanoGPT2(
      vocabularySize: vocabularySize, contextLength: try reader.integer("context_length", in: 1...1 << 18),
      width: try reader.integer("embedding_length", in: 1...1 << 14),
      layerCount: try reader.integer("block_count", in: 1...1 << 10),
      headCount: try reader.integer("attention.head_count", in: 1...1 << 10))
    let known: [ActivationFunction] = [.gelu, .geluTanh]
    let activation = try reader.text(
      activationKey, oneOf: known.map(\.rawValue), default: ActivationFunction.geluTanh.rawValue)
    configuration.feedForward = .mlp(
      width: try reader.integer("feed_forward_length", in: 1...1 << 18),
      activation: ActivationFunction(rawValue: activation) ?? .geluTanh, hasBias: true)
    configuration.norm = .layerNorm(
      epsilon: Float(try reader.number("attention.layer_norm_epsilon", in: 1e-12...1)))
    configuration.head = head
    return configuration
  }

  private static let parts = [
    "attention_norm": "attn_norm", "attention.query_key_value": "attn_qkv", "attention.projection": "attn_output",
    "mixer_norm": "ffn_norm", "mixer.expansion": "ffn_up", "mixer.contraction": "ffn_down",
  ]

  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [GGUFTensor] {
    switch parameter {
    case "token_embedding.weight": return [GGUFTensor("token_embd.weight", shape)]
    case "position_embedding.weight": return [GGUFTensor("position_embd.weight", shape)]
    case "final_norm.weight": return [GGUFTensor("output_norm.weight", shape)]
    case "final_norm.bias": return [GGUFTensor("output_norm.bias", shape)]
    case "head.weight": return [GGUFTensor("output.weight", shape)]
    default: break
    }
    // blocks.<layer>.<part>.<weight or bias>
    let path = parameter.split(separator: ".", maxSplits: 2)
    let dot = path[2].lastIndex(of: ".")!
    guard let part = parts[String(path[2][..<dot])] else {
      fatalError("GGUFGPT2: no name for \(parameter) in llama.cpp")
    }
    return [GGUFTensor("blk.\(path[1]).\(part)\(path[2][dot...])", shape)]
  }
}
