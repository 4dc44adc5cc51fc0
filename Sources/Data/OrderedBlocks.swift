internal import Dispatch
internal import Foundation

/// Blocks of stories, worked on by many threads; what comes of them is taken in their order, by one thread at a time.
///
/// The first error in that order ends the work, whichever thread meets one first.
final class OrderedBlocks<Output>: @unchecked Sendable {
  private let nextBlock: () throws -> StoryBlock?
  private let makeWorker: () -> (_ texts: StoryTexts, _ storiesBefore: Int) throws -> Output
  private let take: (_ output: Output, _ bytesRead: Int) throws -> Void
  private let threadCount: Int

  private let reading = NSLock()
  private var blockCount = 0
  private var isAtEnd = false

  /// Guards what follows; signalled when a block has been counted or taken.
  private let condition = NSCondition()
  private var countedBlocks = 0
  private var storyCount = 0
  private var finished: [Int: Result<(Output, bytesRead: Int), any Error>] = [:]
  private var takenBlocks = 0
  private var isTaking = false
  private var failure: (any Error)?

  /// - Parameters:
  ///   - nextBlock: gives the blocks one after another.
  ///   - makeWorker: called by each thread, for work of its own.
  ///   - take: called with what the workers return.
  init(
    threadCount: Int, nextBlock: @escaping () throws -> StoryBlock?,
    makeWorker: @escaping () -> (_ texts: StoryTexts, _ storiesBefore: Int) throws -> Output,
    take: @escaping (_ output: Output, _ bytesRead: Int) throws -> Void
  ) {
    self.threadCount = threadCount
    self.nextBlock = nextBlock
    self.makeWorker = makeWorker
    self.take = take
  }

  /// Works through all blocks, and returns the number of stories.
  func run() throws -> Int {
    DispatchQueue.concurrentPerform(iterations: threadCount) { _ in
      let work = makeWorker()
      while let (number, block) = readBlock() {
        let texts = Result { try block.get().texts() }
        guard let storiesBefore = storiesBefore(number, count: (try? texts.get().stories.count) ?? 0) else { return }
        finish(number, Result { (try work(try texts.get(), storiesBefore), bytesRead: try block.get().end) })
      }
    }
    if let failure { throw failure }
    return storyCount
  }

  /// The next block or why there is none, and how many blocks came before; nil at the end.
  private func readBlock() -> (number: Int, block: Result<StoryBlock, any Error>)? {
    reading.withLock {
      guard !isAtEnd else { return nil }
      let next = Result { try nextBlock() }
      defer { blockCount += 1 }
      switch next {
      case .success(nil):
        isAtEnd = true
        return nil
      case .success(let block?): return (blockCount, .success(block))
      case .failure(let error):
        isAtEnd = true
        return (blockCount, .failure(error))
      }
    }
  }

  /// How many stories the blocks before a block have, once that is known; nil when the work has failed.
  private func storiesBefore(_ number: Int, count: Int) -> Int? {
    condition.withLock {
      while countedBlocks < number, failure == nil { condition.wait() }
      guard failure == nil else { return nil }
      defer {
        countedBlocks += 1
        storyCount += count
        condition.broadcast()
      }
      return storyCount
    }
  }

  /// Takes a block's output if it is its turn, and those behind it that wait for it; else leaves it for another thread.
  private func finish(_ number: Int, _ result: Result<(Output, bytesRead: Int), any Error>) {
    condition.lock()
    defer { condition.unlock() }
    // The block whose turn it is has a thread of its own, which never waits here.
    while number > takenBlocks + 4 * threadCount, failure == nil { condition.wait() }
    finished[number] = result
    guard !isTaking else { return }
    isTaking = true
    while failure == nil, let result = finished.removeValue(forKey: takenBlocks) {
      condition.unlock()
      let outcome = Result {
        let (output, bytesRead) = try result.get()
        try take(output, bytesRead)
      }
      condition.lock()
      if case .failure(let error) = outcome { failure = error }
      takenBlocks += 1
      condition.broadcast()
    }
    isTaking = false
  }
}
