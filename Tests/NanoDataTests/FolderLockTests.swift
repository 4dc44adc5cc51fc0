import Foundation
import NanoData
import NanoTestSupport
import Synchronization
import Testing

@Test func aFolderIsHeldByOne() throws {
  let folder = try TemporaryFolder()
  let holder = Mutex(FolderLock(folder.path))
  #expect(holder.withLock { $0 != nil })
  #expect(FolderLock(folder.path) == nil)
  holder.withLock { $0 = nil }
  #expect(FolderLock(folder.path) != nil)
}

@Test func whoeverWaitsForAFolderGetsItWhenItIsFree() throws {
  let folder = try TemporaryFolder()
  let holder = Mutex(FolderLock(folder.path))
  let wasFreed = Mutex(false)
  Thread.detachNewThread {
    Thread.sleep(forTimeInterval: 0.2)
    wasFreed.withLock { $0 = true }
    holder.withLock { $0 = nil }
  }
  #expect(FolderLock(folder.path, waits: true) != nil)
  #expect(wasFreed.withLock { $0 })
}
