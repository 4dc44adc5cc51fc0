import NanoData
import NanoTraining

/// A model that completes texts, and its name for those who ask.
struct ServedModel: Sendable {
  let name: String
  let queue: CompletionQueue
  private let contents: ModelFolder.Contents

  init(name: String, _ contents: ModelFolder.Contents, limits: CompletionQueue.Limits) {
    self.name = name
    self.contents = contents
    queue = CompletionQueue(contents, limits: limits)
  }

  /// Begins a completion.
  /// - Throws: where the prompt is none, or too many wait.
  func parts(of request: CompletionRequest) throws(RequestError) -> CompletionQueue.Parts {
    try queue.parts(of: request, prompt: try tokens(of: request.prompt))
  }

  /// The tokens that a prompt begins a text with.
  private func tokens(of prompt: CompletionRequest.Prompt) throws(RequestError) -> [Int32] {
    let tokenizer = contents.tokenizer
    var tokens: [Int32]
    switch prompt {
    case .tokens(let given):
      tokens = given
      guard tokens.allSatisfy({ (0..<Int32(tokenizer.vocabularySize)).contains($0) }) else {
        throw RequestError(
          status: 400, message: "'prompt' has a token outside the vocabulary of \(tokenizer.vocabularySize)")
      }
    case .text(let text):
      do {
        tokens = (contents.textStart ?? tokenizer.endOfText.map { [$0] } ?? []) + (try tokenizer.encode(text))
      } catch {
        throw RequestError(status: 400, message: "'prompt': \(error)")
      }
    }
    if tokens.isEmpty, let end = tokenizer.endOfText { tokens = [end] }
    guard !tokens.isEmpty else { throw RequestError(status: 400, message: "'prompt' is empty") }
    return tokens
  }
}
