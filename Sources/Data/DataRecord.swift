/// Where the text of a run came from and what it was, so that it can be found again and told from another.
public struct DataRecord: Hashable, Sendable, Codable {
  /// For people: a path as it was given, or `built-in`.
  public var source: String
  /// The whole path; nil for the built-in corpus.
  public var path: String?
  /// The whole path of a text of its own to validate on.
  public var validationPath: String?
  /// What the built-in corpus was made from.
  public var builtInSeed: UInt64?
  /// What the text was recognized as.
  public var form: String
  /// What validates: the last tenth of a text of characters; one story in ten; a file of its own.
  public var split: String
  /// SHA-256 of what trains and of what validates: of characters in UTF-8, of stories as tokens.
  public var trainingSHA256: String
  /// SHA-256 of the validation text, in hexadecimal.
  public var validationSHA256: String

  /// A record of a text and its splits, with hashes of 64 hexadecimal digits.
  public init(
    source: String, path: String?, validationPath: String?, builtInSeed: UInt64?, form: String, split: String,
    trainingSHA256: String, validationSHA256: String
  ) {
    self.source = source
    self.path = path
    self.validationPath = validationPath
    self.builtInSeed = builtInSeed
    self.form = form
    self.split = split
    self.trainingSHA256 = trainingSHA256
    self.validationSHA256 = validationSHA256
  }
}
