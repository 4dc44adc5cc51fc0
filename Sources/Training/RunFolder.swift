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

  /// Makes the folder, with the first of some names that is free, and starts its metrics.
  /// - Throws: when no name is free, or cannot be written.
  public init(_ names: [String]) throws {
    let header = Data("model,step,split,loss,seconds\n".utf8)
    path = try Self.create(names, with: ["metrics.csv": header])
    metrics = try LineFile(continuing: path + "/metrics.csv")
  }

  /// Throws when a run cannot be written to any of some paths, without touching them.
  public static func check(_ names: [String]) throws(RunFolderError) {
    var problem: RunFolderError?
    for name in names {
      do throws(RunFolderError) {
        return try check(name)
      } catch {
        problem = problem ?? error
      }
    }
    if let problem { throw problem }
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

  /// Makes a folder that begins with the given files, of which there is one at least, with the first of some names that
  /// is free: it appears with all of them or not at all. A single name may be that of an empty folder.
  /// - Returns: its name. No other process gets the same.
  /// - Throws: when no name is free, or cannot be written.
  public static func create(_ names: [String], with files: [String: Data]) throws -> String {
    try check(names)
    if names.count == 1, FileManager.default.fileExists(atPath: names[0]) {
      try fill(names[0], with: files)
      return names[0]
    }
    let temporary = URL(fileURLWithPath: names[0]).path + ".\(UUID().uuidString).partial"
    do {
      try FileManager.default.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    } catch {
      throw RunFolderError(
        description: "\(names[0]): cannot be created; check the path and its permissions")
    }
    do {
      for (name, data) in files { try AtomicFile.write(data, to: temporary + "/" + name) }
      if let name = names.first(where: { rename(temporary, $0) == 0 }) { return name }
      throw RunFolderError(
        description: "\(names[0]): cannot be created: \(String(cString: strerror(errno)))")
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  /// Writes the files to an empty folder, which may be a mount point, or in a folder that may not be written.
  private static func fill(_ folder: String, with files: [String: Data]) throws {
    let lock = try hold(folder)
    defer { withExtendedLifetime(lock) {} }
    try check(folder)
    do {
      for (name, data) in files { try AtomicFile.write(data, to: folder + "/" + name) }
    } catch {
      for name in files.keys { try? FileManager.default.removeItem(atPath: folder + "/" + name) }
      throw error
    }
  }

  /// Keeps other processes from going on with a run while this one does.
  /// - Throws: when another does.
  public static func hold(_ path: String) throws(RunFolderError) -> FolderLock {
    guard let lock = FolderLock(path) else {
      throw RunFolderError(
        description: "\(path): another process is at work on this run; let it end first")
    }
    return lock
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
