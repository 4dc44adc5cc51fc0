public import Foundation
public import NanoData

/// A run folder that cannot be used.
public struct RunFolderError: Error, Hashable, CustomStringConvertible {
  public let description: String
}

/// Where a run leaves its files. Files appear whole or not at all, but for `metrics.csv`, which grows a line
/// at a time.
public final class RunFolder {
  public let path: String
  private let metrics: LineFile

  /// Makes the folder and starts its metrics.
  /// - Throws: when the path exists and is not an empty folder, or cannot be written.
  public init(_ path: String) throws {
    try Self.check(path)
    try Self.makeDirectory(path)
    self.path = path
    metrics = try LineFile(creating: path + "/metrics.csv")
    try metrics.append("model,step,split,loss,seconds")
  }

  /// Throws when a run cannot be written to `path`, without touching it.
  public static func check(_ path: String) throws(RunFolderError) {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      guard isDirectory.boolValue else {
        throw RunFolderError(
          description: "\(path): exists and is not a folder; choose another --out")
      }
      guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        throw RunFolderError(
          description: "\(path): the folder is not readable; choose another --out")
      }
      guard contents.isEmpty else {
        throw RunFolderError(
          description: "\(path): the folder exists and is not empty; choose another --out")
      }
    }
    // The nearest ancestor that exists must be a folder that we may write to.
    var ancestor = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: ancestor.path), ancestor.path != "/" {
      ancestor.deleteLastPathComponent()
    }
    _ = FileManager.default.fileExists(atPath: ancestor.path, isDirectory: &isDirectory)
    guard isDirectory.boolValue, FileManager.default.isWritableFile(atPath: ancestor.path) else {
      throw RunFolderError(
        description: "\(path): cannot be written, because \(ancestor.path) is not a writable folder"
      )
    }
  }

  /// Makes a folder that begins with the given files: it appears with all of them or not at all.
  /// - Throws: when the path exists and is not an empty folder, or cannot be written.
  public static func create(_ path: String, with files: [String: Data]) throws {
    try check(path)
    let temporary = URL(fileURLWithPath: path).path + ".partial"
    try? FileManager.default.removeItem(atPath: temporary)
    try makeDirectory(temporary)
    do {
      for (name, data) in files { try AtomicFile.write(data, to: temporary + "/" + name) }
      guard rename(temporary, path) == 0 else {
        throw RunFolderError(
          description: "\(path): cannot be created: \(String(cString: strerror(errno)))")
      }
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  private static func makeDirectory(_ path: String) throws(RunFolderError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw RunFolderError(
        description: "\(path): cannot be created; check the path and its permissions")
    }
  }

  public func append(_ point: EvaluationPoint, model: String) throws(FileWriteError) {
    let seconds = String(format: "%.3f", point.seconds)
    for (split, loss) in [
      (Split.training, point.trainingLoss), (Split.validation, point.validationLoss),
    ] {
      try metrics.append(
        "\(model),\(point.step),\(split.rawValue),\(String(format: "%.6f", loss)),\(seconds)")
    }
  }

  public func write(_ data: Data, to name: String) throws(FileWriteError) {
    try AtomicFile.write(data, to: path + "/" + name)
  }
}
