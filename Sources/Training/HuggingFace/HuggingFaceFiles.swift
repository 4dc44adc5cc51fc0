internal import Foundation
internal import NanoModels

/// The files of a checkpoint's folder.
struct HuggingFaceFiles {
  let path: String

  func problem(_ file: String, _ text: String) -> ModelFolderError {
    ModelFolderError(description: "\(path)/\(file): \(text)")
  }

  func has(_ file: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + file) }

  /// The first file in alphabetical order that a condition holds for.
  func first(where condition: (String) -> Bool) -> String? {
    (try? FileManager.default.contentsOfDirectory(atPath: path))?.sorted().first(where: condition)
  }

  func read(_ file: String) throws(ModelFolderError) -> Data {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path + "/" + file), options: .mappedIfSafe)
    else { throw problem(file, "no such file, or not readable") }
    return data
  }

  /// The members of a JSON file.
  func object(_ file: String) throws(ModelFolderError) -> JSONObject {
    let data = try read(file)
    let value: JSONValue
    do {
      value = try JSONValue(parsing: data)
    } catch {
      throw problem(file, "not JSON: \(error)")
    }
    guard case .object(let object) = value else { throw problem(file, "not a JSON object") }
    return object
  }

  /// The same, or no members where the file is not there.
  func objectIfThere(_ file: String) throws(ModelFolderError) -> JSONObject {
    has(file) ? try object(file) : JSONObject()
  }
}
