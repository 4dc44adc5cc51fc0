import CSystemAllocator
import Foundation

/// What the command sets for its whole process before anything else; libraries set nothing.
enum ProcessSettings {
  static func apply() {
    // A write past a file size limit, or to a pipe that nobody reads any more, is then an error, not a signal that kills:
    // Ctrl-C ends `tee` at once, and a run that it listens to after its step.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
    // A file that is opened later would take the place of a standard stream that is closed.
    for stream: Int32 in 0...2 where fcntl(stream, F_GETFD) == -1 { _ = open("/dev/null", O_RDWR) }
    give_back_large_blocks()
    // OpenBLAS starts its threads, which spin for a while, when it is loaded. An inherited type of processor would pin it
    // to the kernels of an older one.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    unsetenv("OPENBLAS_CORETYPE")
  }
}
