import Foundation
import NanoExperiments
import NanoTraining

@testable import NanoReport

func decode<Value: Decodable>(_ object: [String: Any]) throws -> Value {
  try JSONDecoder().decode(Value.self, from: JSONSerialization.data(withJSONObject: object))
}

/// A run that was evaluated before its first and after its last step, its loss falling from 8 to `loss` in `seconds`.
func run(
  _ name: String, loss: Double, seconds: Double = 60, parameters: Int = 200_000, active: Int? = nil,
  stepMs: Double? = nil, iterations: Int = 100
) throws -> RunResult {
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
  let stepMs = stepMs ?? seconds * 10
  return try decode([
    "name": name, "title": ModelName(rawValue: name)?.displayName ?? name, "seed": 1337, "parameters": parameters,
    "activeParameters": active ?? parameters, "bestValidationLoss": loss, "finalValidationLoss": loss,
    "finalTrainingLoss": loss, "perplexity": exp(loss), "parameterEfficiency": 1, "bitsPerCharacter": loss / 3,
    "bitsPerByte": loss / 3, "trainStepMeanMs": stepMs, "trainStepMedianMs": stepMs,
    "trainStepWithEvaluationMeanMs": stepMs, "inferenceMeanMs": 1, "updateShare": 0.1, "peakTensorBytes": 1_000_000,
    "residentGrowthBytesPerStep": 0, "peakResidentBytes": 2_000_000, "tokensPerSecond": 12_345,
    "trainingTokens": 1_234_567, "trainingSeconds": seconds, "seconds": seconds, "completedIterations": iterations,
    "bestIteration": 100, "microBatches": 1, "checkpointsActivations": false,
    "curve": [point(0, 8, 0), point(100, loss, seconds, windows: loss + 0.5)],
  ])
}

/// A study of a hundred iterations with the runs' arms, or the preset's.
func results(
  _ preset: Preset, _ models: [RunResult], arms: [ModelName]? = nil, optimum: Double? = nil, interrupted: Bool = false,
  madeLongerAt: [Int]? = nil, iterations: Int = 100
) throws -> StudyResults {
  var study = try preset.study()
  let names = arms?.map(\.rawValue) ?? models.map(\.name)
  study.arms = try names.map { name in
    var arm = study.arms[0]
    arm.name = name
    arm.title = try run(name, loss: 1).title
    arm.experiment.iterations = iterations
    return arm
  }
  if study.arms.isEmpty { study = try preset.study() }
  study.madeLongerAt = madeLongerAt
  var corpus: [String: Any] = [
    "source": "text", "kind": preset.corpusKind.rawValue, "form": "text", "vocabulary": 65, "trainingTokens": 900,
    "validationTokens": 100, "characters": 1_000, "validationCharacters": 100, "validationBytes": 100,
  ]
  corpus["optimumNLL"] = optimum
  return StudyResults(study, corpus: try decode(corpus), interrupted: interrupted, models: models)
}
