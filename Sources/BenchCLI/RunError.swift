import NanoData
import NanoExperiments
import NanoModels
import NanoTraining

/// A command that cannot do what it was asked for.
struct RunError: Error, CustomStringConvertible {
  let description: String
  /// Whether the command line is wrong, whatever it is used on; such a command ends with 64.
  private(set) var isOfUsage = false

  init(_ description: String) { self.description = description }

  /// What `body` returns; its error names the text that it was about.
  static func naming<Result>(_ source: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      throw RunError("\(source): \(error)")
    }
  }

  /// An error of a library with the flags that it is about, which libraries do not know; nil for others.
  init?(naming error: any Error) {
    switch error {
    case let error as ExperimentError:
      var text = error.description(
        settingNamed: error.setting.map { words in Setting.flag(ofSetting: words).map { "--\($0)" } ?? words })
      switch error.advice {
      case .otherText: text += "; if the text lies elsewhere now, name it with --data, or begin a new run"
      case .begin(let folder): text += "; begin a new run from its best weights with --init \(folder)"
      case .beginFromModel: text += "; begin a new run from the best weights of a model in it with --init"
      case nil: break
      }
      description = text
      isOfUsage = error.setting.flatMap(Setting.flag(ofSetting:)) != nil
    case let error as RunFailure: description = error.description
    case let error as OutputFolderError: description = error.description + " (--out)"
    case let error as ConfigurationError:
      // What is wrong is told first, beginning with what it is about.
      let problem = error.reason.prefix { $0 != ";" }.split { !$0.isLetter }.map(String.init)
      let keys = ModelRecipe.keys + ["context"]
      guard let first = problem.first, keys.contains(first) else { return nil }
      let flags = keys.filter(problem.contains).map { "--" + ModelSetting.flag(of: $0) }
      description = "\(error) (\(flags.joined(separator: ", ")))"
      isOfUsage = true
    case TrainingError.memoryLimit: description = "\(error) (--memory-limit, --batch, --context)"
    default: return nil
    }
  }
}
