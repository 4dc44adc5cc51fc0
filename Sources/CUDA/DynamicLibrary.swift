internal import Foundation

/// A shared library that is opened at run time, so that nothing is linked.
struct DynamicLibrary {
  private let handle: UnsafeMutableRawPointer
  /// The file that was opened, as far as its name is known.
  let path: String

  /// Opens the first of `names` that is found.
  /// - Parameter purpose: what the library is for, in words, for the error.
  init(_ names: [String], purpose: String, in folders: LibraryFolders) throws(CUDAError) {
    for folder in folders.named {
      if let library = Self(atPath: folder) ?? names.lazy.compactMap({ Self(atPath: folder + "/" + $0) }).first {
        self = library
        return
      }
    }
    for name in names {
      if let library = Self(atPath: name) ?? folders.usual.lazy.compactMap({ Self(atPath: $0 + "/" + name) }).first {
        self = library
        return
      }
    }
    throw .libraryMissing(
      name: names[0], purpose: purpose,
      searched: folders.named.isEmpty
        ? "the loader's path, CUDA's usual folders and Python's packages" : folders.named.joined(separator: ", "))
  }

  private init?(atPath path: String) {
    var isFolder: ObjCBool = false
    if path.contains("/") {
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
        return nil
      }
      Self.openCompanions(of: path)
    }
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else { return nil }
    self.handle = handle
    self.path = path
  }

  /// NVRTC looks for its built-in functions on the loader's path only; what is loaded already is found.
  private static func openCompanions(of path: String) {
    let url = URL(fileURLWithPath: path)
    guard url.lastPathComponent.hasPrefix("libnvrtc.so") else { return }
    let folder = url.deletingLastPathComponent().path
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for file in files.sorted() where file.hasPrefix("libnvrtc-builtins.so") && !file.contains(".alt.") {
      _ = dlopen(folder + "/" + file, RTLD_NOW | RTLD_GLOBAL)
    }
  }

  /// The function of that name, whose type the caller knows.
  func function<Function>(_ name: String) throws(CUDAError) -> Function {
    guard let address = dlsym(handle, name) else {
      throw .functionMissing(name: name, library: path)
    }
    return unsafeBitCast(address, to: Function.self)
  }
}

/// Where NVIDIA's libraries lie.
package struct LibraryFolders: Sendable {
  /// What `NANO_CUDA_LIBRARIES` names, folders or files divided by colons: these come first.
  let named: [String]
  /// CUDA's own folders, and those of NVIDIA's Python packages.
  private(set) var usual: [String]

  /// These folders or files alone.
  package init(named: [String]) {
    self.named = named
    usual = []
  }

  /// What the environment names, and all the usual ones.
  package init() {
    let environment = ProcessInfo.processInfo.environment
    named = (environment["NANO_CUDA_LIBRARIES"] ?? "").split(separator: ":").map(String.init)
    usual = [
      "/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib", "/usr/local/nvidia/lib64",
      "/usr/lib/x86_64-linux-gnu", "/usr/lib/wsl/lib", "/usr/lib64", "/opt/cuda/lib64",
    ]
    let home = environment["HOME"] ?? ""
    // Beside each folder of programs lie the packages of its Python.
    let programs = (environment["PATH"] ?? "").split(separator: ":").map {
      URL(fileURLWithPath: String($0)).deletingLastPathComponent().path
    }
    let roots =
      [environment["VIRTUAL_ENV"], environment["CONDA_PREFIX"], home + "/.local"].compactMap { $0 } + programs
    for root in roots where !root.isEmpty {
      for packages in Self.packageFolders(under: root) {
        let nvidia = packages + "/nvidia"
        usual += ((try? FileManager.default.contentsOfDirectory(atPath: nvidia)) ?? []).sorted().map {
          nvidia + "/" + $0 + "/lib"
        }
      }
    }
  }

  private static func packageFolders(under root: String) -> [String] {
    let library = root + "/lib"
    let versions = ((try? FileManager.default.contentsOfDirectory(atPath: library)) ?? []).filter {
      $0.hasPrefix("python3")
    }
    return versions.sorted().flatMap { version in
      ["site-packages", "dist-packages"].map { library + "/" + version + "/" + $0 }
    }
  }
}
