/// An experiment that cannot be made, or a run that cannot go on.
public struct ExperimentError: Error, Hashable, CustomStringConvertible {
  /// What may help; how it is asked for is another's to say.
  public enum Advice: Hashable, Sendable {
    /// The text may lie elsewhere.
    case otherText
    /// A new run may begin with the weights of this model folder.
    case begin(from: String)
    /// The same of any of the run's model folders.
    case beginFromModel
  }

  /// The setting that is wrong, in words; nil where it is none.
  public let setting: String?
  private let message: String
  /// What may help; nil where nothing is known.
  public let advice: Advice?

  /// An error of no one setting, whose message is all that ``description`` says.
  public init(_ message: String, advice: Advice? = nil) {
    self.message = message
    self.advice = advice
    setting = nil
  }

  /// - Parameter problem: what is wrong with it, as the sentence goes on after the setting.
  init(setting: String, _ problem: String) {
    self.setting = setting
    message = problem
    advice = nil
  }

  public var description: String { description(settingNamed: setting) }

  /// With another name for the setting, such as a flag's.
  public func description(settingNamed name: String?) -> String { name.map { "\($0) \(message)" } ?? message }

  /// What `body` returns; its error names the file that it was about.
  static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch {
      throw ExperimentError("\(path): \(error)")
    }
  }
}
