import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoReport
import NanoTensor
import NanoTraining

/// `README.md` of an exported model: what it is, what it was trained on, how good it is and how to use it.
/// - SeeAlso: Mitchell et al., 2018, "Model Cards for Model Reporting", arXiv:1810.03993.
struct ModelCard {
  private let model: any LanguageModel
  private let vocabularySize: Int
  private let data: DataRecord?
  /// Figures of the run that made the model; nil for a model that no run made.
  private let result: RunResult?

  init(of contents: ModelFolder.Contents, from folder: String) {
    model = contents.model
    vocabularySize = contents.tokenizer.vocabularySize
    data = contents.data
    result = FileManager.default.contents(atPath: folder + "/result.json").flatMap {
      try? JSONDecoder.readable.decode(RunResult.self, from: $0)
    }
  }

  var text: String {
    """
    ---
    library_name: transformers
    pipeline_tag: text-generation
    language: en
    ---

    # \(result?.title ?? "A small language model")

    Trained from scratch with nano-kimi. It continues short, simple stories; it knows nothing of the world, follows no
    instructions, and may write what is false or unpleasant.

    \(table([("parameters", grouped(model.parameterCount)),
      ("active for a token", grouped(model.activeParameterCount)),
      ("pieces of the vocabulary", grouped(vocabularySize)),
      ("longest text", "\(grouped(model.configuration.contextLength)) tokens")] + figures))

    \(dataset)## Use

    ```python
    from transformers import pipeline

    write = pipeline("text-generation", ".")  # this folder
    print(write("Once upon a time", max_new_tokens=100)[0]["generated_text"])
    ```

    `bench-cli import --model . --out model` makes a model folder of it, for `bench-cli generate` and `evaluate`.

    """
  }

  private var figures: [(String, String)] {
    guard let result else { return [] }
    return [
      ("steps of training", grouped(result.completedIterations)),
      ("tokens of training", grouped(result.trainingTokens)),
      ("seed", "\(result.seed)"),
      (
        "validation loss", String(format: "%.4f nats a token, step %d", result.bestValidationLoss, result.bestIteration)
      ),
      ("perplexity", String(format: "%.2f", result.perplexity)),
      ("bits per byte", String(format: "%.4f", result.bitsPerByte)),
    ]
  }

  /// Where it lay on the machine of its training is nobody's business: its name is told, and its digest.
  private var dataset: String {
    guard let data else { return "" }
    let name = data.source.split(separator: "/").last.map(String.init) ?? data.source
    return """
      ## Data

      `\(name)` (\(data.form)); \(data.split) validates.

      \(table([("SHA-256 of what trained", data.trainingSHA256), ("SHA-256 of what validates", data.validationSHA256)]))


      """
  }

  private func table(_ rows: [(String, String)]) -> String {
    "| | |\n|---|---|\n" + rows.map { "| \($0) | \($1) |" }.joined(separator: "\n")
  }
}
