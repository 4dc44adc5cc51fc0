internal import Foundation
internal import NanoModels
internal import NanoTensor

/// The tensors of a checkpoint of transformers: one `model.safetensors`, or parts that `model.safetensors.index.json`
/// tells of.
struct HuggingFaceWeights {
  private let files: [(name: String, file: Safetensors.File)]

  init(folder: HuggingFaceFiles) throws(ModelFolderError) {
    if folder.has("model.safetensors") {
      files = [try Self.file("model.safetensors", in: folder)]
    } else if folder.has(Self.index) {
      files = try Self.parts(of: folder)
    } else if let other = folder.first(where: {
      $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasSuffix(".h5") || $0.hasSuffix(".msgpack")
    }) {
      throw folder.problem(
        other, "only safetensors are read; load the model with transformers and save it again")
    } else {
      throw folder.problem("model.safetensors", "no such file, and no \(Self.index) either")
    }
  }

  private static let index = "model.safetensors.index.json"

  private static func file(
    _ name: String, in folder: HuggingFaceFiles
  ) throws(ModelFolderError) -> (name: String, file: Safetensors.File) {
    let data = try folder.read(name)
    do {
      return (name, try Safetensors.File(data))
    } catch {
      throw folder.problem(name, "\(error)")
    }
  }

  private static func parts(
    of folder: HuggingFaceFiles
  ) throws(ModelFolderError) -> [(name: String, file: Safetensors.File)] {
    guard case .object(let map)? = try folder.object(index)["weight_map"] else {
      throw folder.problem(index, "there is no object 'weight_map'")
    }
    var places: [(tensor: String, file: String)] = []
    for member in map.members {
      guard case .string(let file) = member.value, file.hasSuffix(".safetensors"), !file.contains("/") else {
        throw folder.problem(index, "'\(member.key)' is in no .safetensors file of this folder")
      }
      places.append((member.key, file))
    }
    var parts: [(name: String, file: Safetensors.File)] = []
    for name in Set(places.map(\.file)).sorted() { parts.append(try file(name, in: folder)) }
    var names: [String: Set<String>] = [:]
    var seen: Set<String> = []
    for part in parts {
      names[part.name] = Set(part.file.names)
      if let twice = part.file.names.first(where: { !seen.insert($0).inserted }) {
        throw folder.problem(part.name, "tensor '\(twice)' is in another part too")
      }
    }
    if let (tensor, file) = places.first(where: { names[$0.file]?.contains($0.tensor) != true }) {
      throw folder.problem(file, "there is no tensor '\(tensor)', which \(index) says it has")
    }
    return parts
  }

  var names: [String] { files.flatMap(\.file.names) }

  /// All tensors but those that `leavesOut` names.
  func tensors(
    in folder: HuggingFaceFiles, leavingOut leavesOut: (String) -> Bool
  ) throws(ModelFolderError) -> [String: Tensor] {
    let names = Set(names)
    var tensors: [String: Tensor] = [:]
    for (fileName, file) in files {
      for name in file.names where !leavesOut(name) {
        guard !file.hasEightBits(name) || names.contains(name + "_scale_inv") else {
          throw folder.problem(fileName, "tensor '\(name)' has 8-bit floats without a '\(name)_scale_inv'")
        }
        do {
          tensors[name] = try file.tensor(name)
        } catch {
          throw folder.problem(fileName, "\(error)")
        }
      }
    }
    return tensors
  }
}
