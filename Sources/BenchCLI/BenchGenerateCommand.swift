import ArgumentParser
import Foundation
import NanoExperiments
import NanoModels
import NanoTensor
import NanoTraining

/// `bench-cli bench generate`: how fast a model reads a prompt and writes text.
struct BenchGenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Time reading a prompt and writing text, one and several at once, against the memory's bandwidth.",
    discussion: CommandConfiguration.examples(
      "bench generate --model runs/latest/nanokimik2", "bench generate --model nanogpt2 --size 10M --precision bf16"))

  private enum RandomModel: String, CaseIterable {
    case nanoGPT = "nanogpt"
    case nanoKimi = "nanokimi"
    case nanoBest = "nanobest"
    case nanoGPT2 = "nanogpt2"
    case nanoKimiK2 = "nanokimik2"
  }

  @Option("A model folder; or with random weights one of \(list(RandomModel.self))", "folder or name")
  var model = RandomModel.nanoKimiK2.rawValue

  @Option("Of a stories model with random weights, its size: \(list(FamilySize.self))", "name", default: "3M")
  var size: String?

  @Option("Tokens of the prompt", "count", default: "128, or what the context has room for")
  var prompt: Int?

  @Option("Tokens to write", "count", default: "128, or what the context has room for")
  var tokens: Int?

  @Option("Texts that are written at once", "count")
  var batch = 16

  @Option("How weights lie in memory: \(list(WeightFormat.self))", "format")
  var precision = WeightFormat.float32.rawValue

  @Option("Threads", "count", default: "as many as the model's size is worth")
  var threads: Int?

  @Option("Measurements of each, of which the median is told", "count")
  var repeats = 5

  @Flag(help: "Print one JSON object.")
  var json = false

  private struct Report: Codable {
    var model: String
    var precision: String
    var parameters: Int
    var activeParameters: Int
    var threads: Int
    var kernels: String
    var promptTokens: Int
    var tokens: Int
    var batch: Int
    var promptTokensPerSecond: Double
    var tokensPerSecond: Double
    var batchTokensPerSecond: Double
    /// Of weights, for one token of one text.
    var weightBytesPerToken: Int
    /// At which as many bytes as the weights are only read, on the same threads, in the same minute.
    var readGBPerSecond: Double
    /// Of that speed, what reading the weights of one text's tokens takes.
    var bandwidthShare: Double
    var peakResidentBytes: Int
  }

  func validate() throws {
    for (name, value) in [
      ("prompt", prompt), ("tokens", tokens), ("batch", batch), ("threads", threads), ("repeats", repeats),
    ] {
      guard (1...100_000).contains(value ?? 1) else {
        throw ValidationError("\(name) is \(value!); it must be from 1 to 100000")
      }
    }
    let _: WeightFormat = try choose(precision, for: "precision")
  }

  func run() throws {
    let (name, model) = try namedModel()
    let context = model.configuration.contextLength
    let (promptCount, count) = (prompt ?? min(128, max(1, context / 2)), tokens ?? min(128, max(1, context / 2 - 1)))
    guard promptCount + count <= context else {
      throw ValidationError(
        "a prompt of \(promptCount) and \(count) tokens after it; the model's context is \(context)")
    }
    let report = try measure(name, model, promptCount, count)
    guard !json else {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
      return
    }
    print(
      String(
        format:
          "%@ %@ %@, %d parameters (%d active), %d threads: prompt %.0f tokens/s; one text %.0f tokens/s, %.0f%% of the "
          + "%.1f GB/s that reading alone reaches; %d texts %.0f tokens/s, %.1f times as many; resident %.0f MB",
        report.model, report.precision, report.kernels, report.parameters, report.activeParameters, report.threads,
        report.promptTokensPerSecond, report.tokensPerSecond, 100 * report.bandwidthShare, report.readGBPerSecond,
        report.batch, report.batchTokensPerSecond, report.batchTokensPerSecond / report.tokensPerSecond,
        Double(report.peakResidentBytes) / 1e6))
  }

  private func namedModel() throws -> (name: String, model: any LanguageModel) {
    guard let random = RandomModel(rawValue: model) else {
      guard size == nil else { throw ValidationError("--size is of models with random weights; \(model) is a folder") }
      let folder = try LatestRun.model(model)
      return (folder, try ModelFolder.load(folder).model)
    }
    let isOfCharacters = [.nanoGPT, .nanoKimi, .nanoBest].contains(random)
    guard size == nil || !isOfCharacters else {
      throw ValidationError("--size is of the stories models; \(model) has one size")
    }
    let storySize: FamilySize = try choose(size ?? FamilySize.small.rawValue, for: "size")
    let experiment =
      switch random {
      case .nanoGPT: try Preset.publishedCharacters.experiment(.nanoGPT)
      case .nanoKimi: try Preset.publishedCharacters.experiment(.nanoKimi)
      case .nanoBest: try Preset.best.experiment(.nanoBest)
      case .nanoGPT2:
        try Preset.stories.experiment(.nanoGPT, size: storySize, vocabularySize: 4096, contextLength: 512)
      case .nanoKimiK2:
        try Preset.stories.experiment(.nanoKimiK2, size: storySize, vocabularySize: 4096, contextLength: 512)
      }
    return (isOfCharacters ? model : "\(model) \(storySize.rawValue)", try experiment.makeModel())
  }

  private func measure(
    _ name: String, _ model: some LanguageModel, _ promptCount: Int, _ count: Int
  ) throws -> Report {
    let format: WeightFormat = try choose(precision, for: "precision")
    func session(of texts: Int) throws -> any DecodingSession {
      let options = DecodingOptions(textCount: texts, weights: format, threadCount: threads)
      guard let session = model.makeDecodingSession(options) else {
        throw RunError("\(name): has no cache to write with")
      }
      return session
    }
    var generator = RandomGenerator(seed: 1)
    let vocabulary = model.configuration.vocabularySize
    let tokens = (0..<promptCount).map { _ in Int32(generator.nextInt(below: vocabulary)) }
    let single = try session(of: 1)
    let (promptSeconds, seconds) = try times(of: single, after: tokens, count)
    let (_, batchSeconds) = try times(of: try session(of: batch), after: Array(tokens.prefix(1)), count)
    let threadCount = min(threads ?? .max, WorkerPool.shared.threadCount)
    let bandwidth = readBandwidth(bytes: single.weightBytesPerToken, threads: threadCount)
    let speed = Double(count) / seconds
    return Report(
      model: name, precision: format.rawValue, parameters: model.parameterCount,
      activeParameters: model.activeParameterCount, threads: threadCount, kernels: Machine.current.kernels,
      promptTokens: promptCount, tokens: count, batch: batch,
      promptTokensPerSecond: Double(promptCount) / promptSeconds,
      tokensPerSecond: speed, batchTokensPerSecond: Double(batch * count) / batchSeconds,
      weightBytesPerToken: single.weightBytesPerToken, readGBPerSecond: bandwidth / 1e9,
      bandwidthShare: speed * Double(single.weightBytesPerToken) / bandwidth,
      peakResidentBytes: ResidentMemory.peakBytes)
  }

  /// Medians of the seconds in which a session reads the prompt, and draws so many of the most likely tokens after it.
  private func times(
    of session: any DecodingSession, after prompt: [Int32], _ count: Int
  ) throws -> (prompt: Double, tokens: Double) {
    let sampler = Sampler(temperature: 0)
    var generator = RandomGenerator(seed: 1)
    var (promptTimes, times): ([Double], [Double]) = ([], [])
    for _ in 0...repeats {
      let texts = session.positions.indices
      for text in texts { session.restart(text) }
      var watch = Stopwatch()
      var logits = session.append(texts.map { _ in prompt })
      promptTimes.append(watch.seconds)
      watch = Stopwatch()
      for _ in 0..<count {
        logits = session.append(try logits.map { [try sampler.draw(from: $0, seen: [], using: &generator)] })
      }
      times.append(watch.seconds)
    }
    // The first warms up.
    return (Array(promptTimes.dropFirst()).median, Array(times.dropFirst()).median)
  }

  /// Bytes a second at which so many are read again and again.
  private func readBandwidth(bytes: Int, threads: Int) -> Double {
    let count = max(1, bytes / MemoryLayout<Float>.stride)
    let numbers = Tensor(repeating: 1, shape: [count])
    var times: [Double] = []
    for _ in 0..<20 {
      let watch = Stopwatch()
      for _ in 0..<4 {
        WorkerPool.shared.runTogether(threads) { team in
          let part = team.part(of: count)
          numbers.withElements { _ = kernels.sumOfSquares($0.extracting(part)) }
        }
      }
      times.append(watch.seconds / 4)
    }
    return Double(bytes) / times.min()!
  }
}
