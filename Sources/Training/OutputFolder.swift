public import Foundation
public import NanoData

/// A folder that cannot be written.
public struct OutputFolderError: Error, Hashable, CustomStringConvertible {
  /// The folder and what went wrong.
  public let description: String

  /// An error whose description names the folder.
  public init(description: String) { self.description = description }
}

/// Folders that a command makes: each appears with all of its files or not at all, and two commands that want the same
/// one keep out of each other's way. What a killed command leaves behind blocks no other.
public enum OutputFolder {
  /// Where files gather before the folder has its name: beside it, or in it where it was there before.
  private static let suffix = ".partial"
  /// In a folder of that name: the names of the files on their way out of it.
  private static let listing = ".names"

  // MARK: Looking

  /// Throws when nothing can be written to any of some paths, without touching them.
  public static func check(_ names: [String]) throws(OutputFolderError) {
    var problem: OutputFolderError?
    for name in names {
      do throws(OutputFolderError) {
        return try check(name)
      } catch {
        problem = problem ?? error
      }
    }
    if let problem { throw problem }
  }

  /// Throws when nothing can be written to `path`, without touching it.
  public static func check(_ path: String) throws(OutputFolderError) {
    func problem(_ text: String) -> OutputFolderError { OutputFolderError(description: "\(path): \(text)") }
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      guard isDirectory.boolValue else { throw problem("exists and is not a folder; choose another one") }
      guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        throw problem("the folder is not readable; choose another one")
      }
      guard Set(contents).subtracting(leftovers(in: path)).isEmpty else {
        let isRun = FileManager.default.fileExists(atPath: path + "/run.json")
        throw problem(
          "the folder exists and is not empty; choose another one"
            + (isRun ? ", or resume the run in it" : ""))
      }
    }
    // The nearest ancestor that exists must be a folder that we may write to.
    var ancestor = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: ancestor.path), ancestor.path != "/" {
      ancestor.deleteLastPathComponent()
    }
    _ = FileManager.default.fileExists(atPath: ancestor.path, isDirectory: &isDirectory)
    guard isDirectory.boolValue, FileManager.default.isWritableFile(atPath: ancestor.path) else {
      throw problem("cannot be written, because \(ancestor.path) is not a writable folder")
    }
  }

  /// What a command that was killed while it filled an empty folder left there.
  private static func leftovers(in folder: String) -> Set<String> {
    guard FileManager.default.fileExists(atPath: folder + "/" + suffix) else { return [] }
    let listed = FileManager.default.contents(atPath: "\(folder)/\(suffix)/\(listing)") ?? Data()
    return Set(String(decoding: listed, as: UTF8.self).split(separator: "\n").map(String.init)).union([suffix])
  }

  // MARK: Making

  /// Makes a folder, with the first of some names that is free, of what `body` writes to the folder that it is given.
  /// A single name may be that of an empty folder, which is then filled.
  /// - Returns: its name. No other process gets the same.
  /// - Throws: when no name is free, another process makes the folder, it cannot be written, or what `body` throws.
  @discardableResult
  public static func create(_ names: [String], _ body: (_ folder: String) throws -> Void) throws -> String {
    try check(names)
    if names.count == 1, FileManager.default.fileExists(atPath: names[0]) {
      try fill(names[0], body)
      return names[0]
    }
    for name in names {
      guard let stage = try Stage(name) else { continue }
      try body(stage.path)
      if try stage.takeName() { return name }
    }
    throw OutputFolderError(
      description: "\(names[0]): exists, or another process is making it; choose another name, or let it end first")
  }

  /// The same of files that are there already.
  public static func create(_ names: [String], with files: [String: Data]) throws -> String {
    try create(names) { folder in
      for (name, data) in files { try AtomicFile.write(data, to: folder + "/" + name) }
    }
  }

  /// Makes one folder in a folder that exists; one that is there already is left alone.
  public static func make(_ path: String) throws(OutputFolderError) {
    guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
    throw OutputFolderError(description: "\(path): cannot be created: \(String(cString: strerror(errno)))")
  }

  /// A folder on its way to its name; removed with its owner if it does not get there.
  private final class Stage {
    let path: String
    private let name: String
    private let lock: FolderLock
    private var isInPlace = false

    /// Nil when the name is taken, or another process is on its way to it.
    init?(_ name: String) throws {
      self.name = URL(fileURLWithPath: name).path
      path = self.name + suffix
      do {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      } catch {
        throw OutputFolderError(
          description: "\(name): cannot be created; check the path and its permissions")
      }
      guard let lock = FolderLock(path) else { return nil }
      self.lock = lock
      // The one who had it may have given it its name meanwhile.
      guard lock.isInPlace, !FileManager.default.fileExists(atPath: name) else {
        isInPlace = !lock.isInPlace
        return nil
      }
      for leftover in try FileManager.default.contentsOfDirectory(atPath: path) {
        try FileManager.default.removeItem(atPath: path + "/" + leftover)
      }
    }

    deinit {
      if !isInPlace { try? FileManager.default.removeItem(atPath: path) }
    }

    /// Whether the name was still free.
    func takeName() throws -> Bool {
      try AtomicFile.syncFolder(of: path + "/" + listing)
      guard rename(path, name) == 0 else {
        if errno == EEXIST || errno == ENOTEMPTY { return false }
        throw OutputFolderError(
          description: "\(name): cannot be created: \(String(cString: strerror(errno)))")
      }
      isInPlace = true
      try AtomicFile.syncFolder(of: name)
      return true
    }
  }

  /// Fills an empty folder, which may be a mount point, or in a folder that may not be written.
  private static func fill(_ folder: String, _ body: (_ folder: String) throws -> Void) throws {
    let lock = try hold(folder)
    defer { withExtendedLifetime(lock) {} }
    try check(folder)
    let stage = folder + "/" + suffix
    func clear() {
      // The listing goes last: while it is there, what it names is nobody's.
      for name in leftovers(in: folder).subtracting([suffix]) + [suffix] {
        try? FileManager.default.removeItem(atPath: folder + "/" + name)
      }
    }
    clear()
    try make(stage)
    do {
      try body(stage)
      let names = try FileManager.default.contentsOfDirectory(atPath: stage)
      try AtomicFile.write(Data(names.joined(separator: "\n").utf8), to: stage + "/" + listing)
      for name in names where rename("\(stage)/\(name)", "\(folder)/\(name)") != 0 {
        throw OutputFolderError(
          description: "\(folder)/\(name): cannot be put in place: \(String(cString: strerror(errno)))")
      }
      try FileManager.default.removeItem(atPath: stage)
      try AtomicFile.syncFolder(of: stage)
    } catch {
      clear()
      throw error
    }
  }

  /// Keeps other processes from work in a folder while this one does.
  /// - Throws: when another does.
  public static func hold(_ path: String) throws(OutputFolderError) -> FolderLock {
    guard let lock = FolderLock(path) else {
      throw OutputFolderError(
        description: "\(path): another process is at work in this folder; let it end first")
    }
    return lock
  }
}
