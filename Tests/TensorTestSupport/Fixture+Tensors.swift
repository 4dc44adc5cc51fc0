public import NanoTensor
public import NanoTestSupport

extension Fixture {
  /// The tensors of a safetensors file by name.
  public static func load(_ name: String) throws -> [String: Tensor] {
    try Safetensors.decode(data(name + ".safetensors"))
  }
}
