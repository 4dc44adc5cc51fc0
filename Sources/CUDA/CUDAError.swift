/// Why a GPU cannot be used, or what went wrong on it.
public enum CUDAError: Error, Hashable, CustomStringConvertible {
  /// A library that is opened at run time is not there.
  case libraryMissing(name: String, purpose: String, searched: String)
  /// A library lacks a function: it is too old or another one.
  case functionMissing(name: String, library: String)
  /// There is a driver, but no device that it can use.
  case noDevice(reason: String)
  /// The device cannot run the kernels.
  case deviceTooOld(name: String, capability: String, needed: String)
  /// A source does not compile.
  case compilation(file: String, log: String)
  /// A call failed.
  case call(name: String, reason: String)

  public var description: String {
    switch self {
    case .libraryMissing(let name, let purpose, let searched):
      "\(name), \(purpose), is not installed: looked in \(searched); name its folder in NANO_CUDA_LIBRARIES"
    case .functionMissing(let name, let library):
      "\(library) has no function \(name): it is too old, or another library of that name"
    case .noDevice(let reason): "no CUDA device can be used: \(reason)"
    case .deviceTooOld(let name, let capability, let needed):
      "\(name) has compute capability \(capability); the kernels need \(needed) or newer"
    case .compilation(let file, let log): "the kernels in \(file) do not compile: \(log)"
    case .call(let name, let reason): "\(name) failed: \(reason)"
    }
  }
}
