/// A file of a data set as its authors publish it.
public struct PublishedFile: Hashable, Sendable {
  /// Its name at ``folder``.
  public let name: String
  /// The address of the folder that holds it.
  public let folder: String
  /// Bytes of the file.
  public let byteCount: Int
  /// In hexadecimal.
  public let sha256: String
}

/// The published files of TinyStories (V2, GPT-4 only).
/// - SeeAlso: Eldan, Li, 2023, arXiv:2305.07759.
public enum TinyStories {
  private static let folder = "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main"

  /// The stories to train on.
  public static let training = PublishedFile(
    name: "TinyStoriesV2-GPT4-train.txt", folder: folder, byteCount: 2_227_753_162,
    sha256: "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443")

  /// The stories to measure on.
  public static let validation = PublishedFile(
    name: "TinyStoriesV2-GPT4-valid.txt", folder: folder, byteCount: 22_502_601,
    sha256: "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d")
}

/// Plays of Shakespeare in one text, on which the published character study was done; karpathy/char-rnn made it.
public enum TinyShakespeare {
  /// The whole text.
  public static let text = PublishedFile(
    name: "input.txt", folder: "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare",
    byteCount: 1_115_394, sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed")
}
