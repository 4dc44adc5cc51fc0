internal import Foundation
public import NanoTensor

/// `GPT2LMHeadModel`, with the exact GELU.
extension NanoGPT2: HuggingFaceModel {
  public static let architecture = "GPT2LMHeadModel"

  public static func configuration(
    fromHuggingFace json: [String: Any]
  ) throws(ConfigurationError) -> NanoGPT2Configuration {
    let reader = HuggingFaceReader(json: json)
    let activation = json["activation_function"] as? String ?? "gelu_new"
    guard activation == "gelu" else {
      throw ConfigurationError(
        "'activation_function' is \(activation); only the exact gelu can be read")
    }
    try reader.require("tie_word_embeddings", true) { ($0 as? NSNumber)?.boolValue }
    try reader.require("scale_attn_by_inverse_layer_idx", false) { ($0 as? NSNumber)?.boolValue }
    try reader.require("layer_norm_epsilon", 1e-5) { ($0 as? NSNumber)?.doubleValue }
    let width = try reader.integer("n_embd")
    try reader.require("n_inner", 4 * width) { ($0 as? NSNumber)?.intValue }
    let configuration = NanoGPT2Configuration(
      vocabularySize: try reader.integer("vocab_size"),
      contextLength: try reader.integer("n_positions"), width: width,
      layerCount: try reader.integer("n_layer"), headCount: try reader.integer("n_head"))
    try configuration.validate()
    return configuration
  }

  public func huggingFaceConfiguration() -> [String: Any] {
    let c = configuration
    return [
      "architectures": [Self.architecture], "model_type": "gpt2", "vocab_size": c.vocabularySize,
      "n_positions": c.contextLength, "n_embd": c.width, "n_layer": c.layerCount,
      "n_head": c.headCount, "activation_function": "gelu", "layer_norm_epsilon": 1e-5,
      "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "tie_word_embeddings": true,
      "bos_token_id": NSNull(), "eos_token_id": NSNull(), "torch_dtype": "float32",
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
