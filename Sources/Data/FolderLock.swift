internal import Foundation

/// A hold on a folder that one process at a time can have. It ends with this object, and with the process however that
/// ends.
///
/// Where the file system knows no locks, nobody is kept out.
public final class FolderLock: Sendable {
  private let path: String
  private let folder: Int32

  /// Nil while another has the folder; with `waits`, only returns once nobody does.
  public init?(_ path: String, waits: Bool = false) {
    self.path = path
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    while flock(folder, waits ? LOCK_EX : LOCK_EX | LOCK_NB) != 0 {
      if errno == EWOULDBLOCK { return nil }
      if errno != EINTR { break }
    }
  }

  deinit { close(folder) }

  /// Whether the folder still has its name: false when it was removed, moved or replaced.
  public var isInPlace: Bool {
    var (held, named) = (stat(), stat())
    return fstat(folder, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino
      && held.st_dev == named.st_dev
  }
}
