import Dispatch
import NanoData
import NanoTraining
import Synchronization

/// The completions of one model: some are written side by side, others wait for a place.
///
/// Each is the text that it would be alone.
final class CompletionQueue: Sendable {
  struct Limits: Sendable {
    /// How many completions are written at once.
    let batch: Int
    /// How many more may wait.
    let queue: Int
  }

  /// A piece of a completion's text, or the whole at its end.
  enum Part: Sendable {
    case text(String)
    case end(Completion)
  }

  typealias Parts = AsyncThrowingStream<Part, any Error>

  private struct Entry: Sendable {
    let request: CompletionRequest
    let prompt: [Int32]
    let output: Parts.Continuation
    let isUnwanted: Flag
  }

  private struct Arrivals {
    var waiting: [Entry] = []
    /// Those that wait or are being written.
    var count = 0
    /// Whether a step is to come.
    var isRunning = false
  }

  private struct Writing {
    let batch: TextBatch
    /// At each place of the batch.
    var texts: [(entry: Entry, writer: CompletionWriter)?]
  }

  /// Steps of all models, in turns, each on all cores.
  private static let steps = DispatchQueue(label: "completions")

  private let tokenizer: any Tokenizer
  private let limits: Limits
  private let arrivals = Mutex(Arrivals())
  /// Taken by steps alone.
  private let writing: Mutex<Writing>

  init(_ contents: ModelFolder.Contents, limits: Limits) {
    tokenizer = contents.tokenizer
    self.limits = limits
    writing = Mutex(
      Writing(
        batch: TextBatch(
          of: contents.model, placeCount: limits.batch, usesCache: !(contents.tokenizer is CharacterTokenizer)),
        texts: Array(repeating: nil, count: limits.batch)))
  }

  /// Begins when there is a place, and ends early where nobody reads any more.
  /// - Throws: when too many wait.
  func parts(of request: CompletionRequest, prompt: [Int32]) throws(RequestError) -> Parts {
    let (parts, output) = Parts.makeStream()
    let isUnwanted = Flag()
    output.onTermination = { _ in isUnwanted.raise() }
    let (isFull, isFirst) = arrivals.withLock { arrivals in
      guard arrivals.count < limits.batch + limits.queue else { return (true, false) }
      defer { arrivals.isRunning = true }
      arrivals.count += 1
      arrivals.waiting.append(Entry(request: request, prompt: prompt, output: output, isUnwanted: isUnwanted))
      return (false, !arrivals.isRunning)
    }
    guard !isFull else {
      throw RequestError(
        status: 503,
        message: "\(limits.batch) completions are being written and \(limits.queue) wait already; try again later")
    }
    if isFirst { Self.steps.async { self.step() } }
    return parts
  }

  /// Writes a token of every completion that has a place.
  private func step() {
    writing.withLock { writing in
      for place in writing.texts.indices {
        if let text = writing.texts[place], text.entry.isUnwanted.isRaised { free(place, of: &writing) }
      }
      while let place = writing.batch.freePlace, let entry = nextEntry() {
        writing.batch.begin(entry.prompt, at: place)
        writing.texts[place] = (
          entry, CompletionWriter(entry.request, prompt: entry.prompt, tokenizer: tokenizer)
        )
      }
      for (place, logits) in writing.batch.logits() {
        do {
          let (token, text) = try writing.texts[place]!.writer.next(from: logits)
          let (entry, writer) = writing.texts[place]!
          if !text.isEmpty { entry.output.yield(.text(text)) }
          if let token {
            writing.batch.append(token, at: place)
          } else {
            entry.output.yield(.end(writer.completion))
            entry.output.finish()
            free(place, of: &writing)
          }
        } catch {
          writing.texts[place]!.entry.output.finish(throwing: error)
          free(place, of: &writing)
        }
      }
    }
    let goesOn = arrivals.withLock { arrivals in
      arrivals.isRunning = arrivals.count > 0
      return arrivals.isRunning
    }
    if goesOn { Self.steps.async { self.step() } }
  }

  private func free(_ place: Int, of writing: inout Writing) {
    writing.batch.end(at: place)
    writing.texts[place] = nil
    arrivals.withLock { $0.count -= 1 }
  }

  /// The first of those that wait, without those that nobody waits for.
  private func nextEntry() -> Entry? {
    arrivals.withLock { arrivals in
      let before = arrivals.waiting.count
      arrivals.waiting.removeAll { $0.isUnwanted.isRaised }
      arrivals.count -= before - arrivals.waiting.count
      return arrivals.waiting.isEmpty ? nil : arrivals.waiting.removeFirst()
    }
  }

  /// Raised once, from any thread.
  private final class Flag: Sendable {
    private let state = Mutex(false)
    var isRaised: Bool { state.withLock { $0 } }
    func raise() { state.withLock { $0 = true } }
  }
}
