import Foundation
import NanoData
import NanoExperiments
import NanoModels
import NanoTensor
import NanoTestSupport
import NanoTraining
import Testing

/// The smaller model is the larger one with the gates of the others at 0, and can be trained on.
@Test func prunedModelsComputeWhatTheirExpertsDid() throws {
  let folder = try TemporaryFolder()
  let (run, out) = (folder.path + "/run", folder.path + "/pruned")
  #expect(try CommandResult(["compare", "--models", "nanokimi", "--quiet", "--out", run] + small).status == 0)
  let result = try CommandResult(["prune", "--model", run + "/nanokimi", "--experts", "2", "--out", out])
  #expect(result.status == 0, "\(result.error)")
  let lines = result.output.split(separator: "\n")
  #expect(lines.count == 3 && lines[0].hasPrefix(" 4 experts") && lines[2].hasPrefix(" 2 experts"), "\(result.output)")
  let whole = try #require(try ModelFolder.load(run + "/nanokimi").model as? Decoder)
  let contents = try ModelFolder.load(out)
  let pruned = try #require(contents.model as? Decoder)
  let gate = try #require(pruned.weights.first { $0.name == "blocks.0.mixer.gate.bias" }).tensor
  #expect(gate.scalars.count == 2 && pruned.parameterCount < whole.parameterCount)
  // What is printed of the whole split is what the folder's model scores.
  let corpus = try CorpusRecipe(try #require(contents.data), kind: .characters).makeCorpus()
  let score = FullPassEvaluator(corpus.validation, windowLength: 16).evaluate(pruned).nllPerToken
  #expect(lines[2].contains(String(format: "validation %.4f", score)), "\(lines[2]), \(score)")
  var pruning = try ExpertPruning(of: whole, on: corpus.training)
  try pruning.removeOneOfEach()
  try pruning.removeOneOfEach()
  // The last removal was tried with gates at 0; the smaller model has the same loss on the same windows.
  let windows = FullPassEvaluator(corpus.training, windowLength: 16).evaluate(pruned, windows: 256).nllPerToken
  #expect(abs(try #require(pruning.removals.last).loss - windows) < 1e-6)
  let longer = try CommandResult(
    ["compare", "--init", out, "--quiet", "--out", folder.path + "/more"] + ["--iterations", "5"])
  #expect(longer.status == 0, "\(longer.error)")
}

@Test func whatCannotBePrunedIsRefused() throws {
  let folder = try TemporaryFolder()
  let run = folder.path + "/run"
  #expect(try CommandResult(["compare", "--quiet", "--out", run] + small).status == 0)
  let cases = [
    (["--model", run + "/nanokimi", "--experts", "4"], "from 1 to 3"),
    (["--model", run + "/nanogpt", "--experts", "1"], "mixture"),
    (["--model", run + "/none", "--experts", "1"], "none"),
    (["--model", run + "/nanokimi", "--experts", "1", "--by", "name"], "gate-mass"),
  ]
  for (arguments, part) in cases {
    let result = try CommandResult(["prune", "--out", folder.path + "/out"] + arguments)
    #expect(result.status != 0 && result.error.contains(part), "\(arguments): \(result.error)")
    #expect(result.error.split(separator: "\n").count == 1)
  }
  // Nothing can be said of experts whose model computes what is no number.
  let weights = run + "/nanokimi/model.safetensors"
  var (tensors, metadata) = try Safetensors.decodeFile(Data(contentsOf: URL(fileURLWithPath: weights)))
  let gain = try #require(tensors.firstIndex { $0.name.contains("final_norm") && $0.name.hasSuffix("weight") })
  let shape = tensors[gain].tensor.shape
  tensors[gain].tensor = Tensor([Float](repeating: 3e38, count: shape.elementCount), shape: shape)
  try Safetensors.encode(tensors, metadata: metadata).write(to: URL(fileURLWithPath: weights))
  let result = try CommandResult(
    ["prune", "--model", run + "/nanokimi", "--experts", "2", "--out", folder.path + "/out"])
  #expect(result.status == 1 && result.error.contains("not finite"), "\(result.output) \(result.error)")
  #expect(!FileManager.default.fileExists(atPath: folder.path + "/out"))
}
