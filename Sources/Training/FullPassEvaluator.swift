internal import Foundation
public import NanoCommunication
public import NanoData
internal import NanoLayers
public import NanoModels
public import NanoTensor

/// Scores a model on a tokenized text: every token once, in windows of fixed stride.
///
/// Windows of `windowLength` tokens follow one another; a token is predicted from those before it in its
/// window and the one before the window.
public struct FullPassEvaluator: Sendable {
  /// What is read, all of it.
  public let text: TokenizedText
  /// Tokens of one window, no more than the text has.
  public let windowLength: Int
  /// What products round to.
  public let precision: Precision
  private let scorer: PartScorer

  /// - Parameter communicator: ranks that share the windows, of which this is the first.
  public init(
    _ text: TokenizedText, windowLength: Int, precision: Precision = .float32,
    pool: WorkerPool = .shared, communicator: any Communicator = SingleRank()
  ) {
    self.text = text
    // Memory grows with the window, and a model may read far longer texts than this one.
    self.windowLength = max(1, min(windowLength, text.count))
    self.precision = precision
    scorer = PartScorer(precision: precision, pool: pool, communicator: communicator)
  }

  /// - Parameter windows: how many windows to read, spread over the text; nil for all.
  public func evaluate(_ model: some LanguageModel, windows limit: Int? = nil) -> Evaluation {
    let total = (text.count + windowLength - 1) / windowLength
    let count = min(limit ?? total, total)
    let chosen = (0..<count).map { $0 * total / count }
    let device = model.device
    var group = max(1, (device.isCPU ? Self.tokensAtOnce : Self.tokensAtOnceOnGPU) / windowLength)
    var sums: [Score] = []
    while true {
      let attempt = device.enforcingMemoryLimit { losses(of: model, chosen, group: group) }
      sums = attempt.result
      if attempt.needed == nil { break }
      guard group > 1 else {  // one window has to fit, limit or not
        sums = losses(of: model, chosen, group: 1)
        break
      }
      group /= 2
    }
    let scored = sums.reduce(0) { $0 + $1.tokens }
    var statistics = ForwardStatistics()
    for sum in sums { statistics.merge(sum.statistics) }
    return evaluation(
      nllPerToken: sums.reduce(0) { $0 + $1.loss } / Double(scored), tokens: scored,
      routing: statistics.routing)
  }

  /// What a group of windows gave.
  private struct Score: Sendable {
    var loss = 0.0
    var tokens = 0
    var statistics = ForwardStatistics()
  }

  /// Summed loss of every group of windows.
  private func losses(of model: some LanguageModel, _ windows: [Int], group: Int) -> [Score] {
    let groups = stride(from: 0, to: windows.count, by: group).map {
      Array(windows[$0..<min($0 + group, windows.count)])
    }
    let scores = scorer.scores(of: model, count: groups.count) { index in
      let (batch, counted) = batch(ofWindows: groups[index])
      return PartScorer.Part(batch: batch, kind: .windows(counted: counted))
    }
    return scores.map { numbers in
      var statistics = numbers.dropFirst(2)
      return Score(loss: numbers[0], tokens: Int(numbers[1]), statistics: ForwardStatistics(takingFrom: &statistics))
    }
  }

  private func evaluation(
    nllPerToken: Double, tokens scored: Int, routing: [RoutingStatistics]
  ) -> Evaluation {
    func mean(_ value: (RoutingStatistics) -> Double) -> Double? {
      routing.isEmpty ? nil : routing.map(value).mean
    }
    var evaluation = Evaluation(nllPerToken: nllPerToken, tokens: scored, of: text)
    evaluation.balanceLoss = mean(\.balanceLoss)
    evaluation.zLoss = mean(\.zLoss)
    evaluation.maximalViolation = mean(\.maximalViolation)
    return evaluation
  }

  /// Windows as sequences; what lies behind the last token is not counted.
  private func batch(ofWindows windows: [Int]) -> (batch: TokenBatch, counted: Int) {
    var (inputs, targets, counted) = ([Int32](), [Int32](), 0)
    for window in windows {
      let start = window * windowLength
      let found = text[start..<min(start + windowLength, text.count)]
      let padding = windowLength - found.count
      let before = start == 0 ? text.before : text[start - 1..<start][0]
      inputs += [before] + found.dropLast() + Array(repeating: text.before, count: padding)
      targets += found + Array(repeating: -1, count: padding)
      counted += found.count
    }
    return (
      TokenBatch(inputs: inputs, targets: targets, sequenceLength: windowLength), counted
    )
  }

  private static let tokensAtOnce = 1_024
  /// What keeps a GPU busy.
  private static let tokensAtOnceOnGPU = 32_768
}
