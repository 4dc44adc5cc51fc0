internal import NanoModels
internal import NanoTensor

/// A kind of model that llama.cpp runs and some decoders are, with its names for sizes and tensors.
protocol GGUFArchitecture: Sendable {
  /// `general.architecture`, which the keys of its sizes begin with.
  static var name: String { get }

  /// What metadata says of a decoder, keys without the name in front.
  /// - Throws: when llama.cpp has no such model, naming what it does not have.
  static func metadata(of model: Decoder) throws(ConfigurationError) -> [(key: String, value: GGUFValue)]

  /// What metadata describes.
  /// - Parameter head: what makes logits.
  /// - Throws: when a size is missing, impossible, or asks for what decoders do not have.
  static func configuration(
    _ reader: inout HuggingFaceReader, vocabularySize: Int, head: DecoderConfiguration.Head
  ) throws(ConfigurationError) -> DecoderConfiguration

  /// The tensors that one parameter of a decoder becomes.
  static func tensors(
    for parameter: String, shape: Shape, of configuration: DecoderConfiguration
  ) -> [GGUFTensor]
}

extension GGUFArchitecture {
  /// Throws unless llama.cpp has what a model needs.
  static func require(_ condition: Bool, _ what: String) throws(ConfigurationError) {
    guard condition else {
      throw ConfigurationError("llama.cpp's \(name) \(what); such a model cannot be exported")
    }
  }
}
