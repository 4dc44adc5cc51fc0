import Foundation
import NanoTraining

@testable import NanoReport

func decode<Value: Decodable>(_ object: [String: Any]) throws -> Value {
  try JSONDecoder().decode(Value.self, from: JSONSerialization.data(withJSONObject: object))
}

func characterModel(
  _ name: String, loss: Double, parameters: Int = 200_000, stepMs: Double = 5, iterations: Int = 100
) throws -> ModelResult {
  try decode([
    "name": name, "parameters": parameters, "bestValidationLoss": loss, "finalValidationLoss": loss,
    "finalTrainingLoss": 1.5, "perplexity": exp(loss), "parameterEfficiency": 30,
    "trainStepMeanMs": stepMs, "trainStepMedianMs": stepMs, "trainStepWithEvaluationMeanMs": stepMs,
    "inferenceMeanMs": 1, "peakTensorBytes": 12_000_000, "residentGrowthBytesPerStep": 0,
    "peakResidentBytes": 50_000_000, "tokensPerSecond": 1_000, "seconds": 60,
    "completedIterations": iterations, "bestIteration": 100,
  ])
}

func characterResults(
  _ models: [ModelResult], optimum: Double? = nil, interrupted: Bool = false, madeLongerAt: [Int]? = nil
) -> StudyResults {
  var configuration = StudyConfiguration(preset: .seed)
  configuration.iterations = 100
  return StudyResults(
    configuration: configuration,
    corpus: CorpusDescription(source: "text", characters: 1_000, vocabulary: 65, optimumNLL: optimum),
    interrupted: interrupted, madeLongerAt: madeLongerAt, models: models)
}

/// A model that was evaluated at steps 0 and 100, its loss falling from 8 to `loss` in `seconds`.
func storiesModel(
  _ name: String, loss: Double, seconds: Double, parameters: Int, active: Int? = nil
) throws -> StoriesResult {
  func point(_ step: Int, _ nll: Double, _ seconds: Double, windows: Double? = nil) -> [String: Any] {
    var point: [String: Any] = [
      "step": step, "trainingSeconds": seconds, "seconds": seconds,
      "validation": [
        "tokens": 10, "nllPerToken": nll, "perplexity": exp(nll), "bitsPerCharacter": nll / 3,
        "bitsPerByte": nll / 3,
      ],
    ]
    point["nllOfWindows"] = windows
    return point
  }
  return try decode([
    "name": name, "parameters": parameters, "activeParameters": active ?? parameters,
    "bestValidationLoss": loss, "finalValidationLoss": loss, "finalTrainingLoss": loss,
    "perplexity": exp(loss), "parameterEfficiency": 1, "bitsPerCharacter": loss / 3,
    "bitsPerByte": loss / 3, "trainStepMeanMs": seconds * 10, "trainStepMedianMs": seconds * 10,
    "trainStepWithEvaluationMeanMs": seconds * 10, "updateShare": 0.1, "peakTensorBytes": 1_000_000,
    "residentGrowthBytesPerStep": 0, "peakResidentBytes": 2_000_000, "tokensPerSecond": 12_345,
    "trainingTokens": 1_234_567, "trainingSeconds": seconds, "seconds": seconds,
    "completedIterations": 100, "bestIteration": 100, "microBatches": 1,
    "checkpointsActivations": false,
    "curve": [point(0, 8, 0), point(100, loss, seconds, windows: loss + 0.5)],
  ])
}

func storiesResults(_ models: [StoriesResult], iterations: Int = 100) throws -> StoriesResults {
  var configuration = StoriesConfiguration()
  configuration.iterations = iterations
  return StoriesResults(
    configuration: configuration,
    corpus: try decode([
      "source": "stories", "vocabulary": 400, "trainingStories": 9, "validationStories": 1,
      "trainingTokens": 900, "validationTokens": 100, "validationCharacters": 300,
      "validationBytes": 300,
    ]), interrupted: false, models: models)
}
