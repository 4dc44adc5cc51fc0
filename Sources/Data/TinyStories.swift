/// The published files of TinyStories (V2, GPT-4 only).
/// - SeeAlso: Eldan, Li, 2023, arXiv:2305.07759.
public enum TinyStories {
  /// One of them.
  public struct File: Hashable, Sendable {
    public let name: String
    public let byteCount: Int
    public let sha256: String
  }

  /// The folder that they are published in.
  public static let address = "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main"

  public static let training = File(
    name: "TinyStoriesV2-GPT4-train.txt", byteCount: 2_227_753_162,
    sha256: "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443")

  public static let validation = File(
    name: "TinyStoriesV2-GPT4-valid.txt", byteCount: 22_502_601,
    sha256: "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d")
}
