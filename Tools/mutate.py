"""Plants known faults in a copy of the project, and checks that the tests that should notice do fail.

  python3 Tools/mutate.py [MODULE]

All faults are planted at once, each in a place of its own; for each the name of a test that has to fail is given. A fault
must not crash: it would hide the failures of the other tests of its module.
With a module, such as Data, only the faults that tests of this module notice, which takes as long as to build and run these.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FAULTS = [
    ("Sources/Layers/QKClip.swift", "firstKey..<firstKey + c.nopeWidth, by: factor.squareRoot())",
     "firstKey..<firstKey + c.nopeWidth, by: factor)", "queryKeyClipLandsOnTheThreshold"),
    ("Sources/CNanoKernels/attention/rotary.inc", "second * cosines[p] + first * sine",
     "second * cosines[p] - first * sine", "rotaryEmbedding"),
    ("Sources/CNanoKernels/rows/norms.inc", "(g - h * mean) * reciprocal", "(g - h * mean * 0.9f) * reciprocal", "rmsNorm"),
    ("Sources/CNanoKernels/attention/causal_softmax.inc", "* load(mixed + k * stride + j);", "* load(probabilities + k * stride + j);",
     "attentionDropout"),
    ("Sources/CNanoKernels/gemm/gemm_tiles.inc", ".below = TILE * row}", ".below = row}", "emulatedTilesMatchDouble"),
    ("Sources/CNanoKernels/gemm/gemm_tiles.inc", "+ k0 / TILE_DEPTH * TILE_DWORDS;", ";",
     "productsOfPackedOperandsHaveTheSameBits"),
    ("Sources/Tensor/PackedWeights.swift", "rowStride: matrix.rowStride, columnStride: matrix.columnStride)",
     "rowStride: 0, columnStride: 0)", "partsOfSharedWeightsAreOperandsOfTheirOwn"),
    ("Sources/Tensor/PackedWeights.swift", ".ready(copy, of: weight)", ".ready(copy, of: Tensor(zeros: [1]))",
     "changedWeightsArePackedAnew"),
    ("Sources/CNanoKernels/gemm/pair_blocks.inc", "(row % TILE) * tiles->row", "(row % TILE) * 4", "emulatedTilesMatchDouble"),
    ("Sources/CNanoKernels/gemm/gemm_halves.inc", "r * p->c.stride, p->columns, format", "r * p->c.stride, p->columns - 1, format",
     "productMatchesDouble"),
    ("Sources/CNanoKernels/gemm/gemm_halves.inc", "gemm_rounding(p, NK_FP16)", "gemm_rounding(p, NK_BF16)", "productsTakeHalves"),
    ("Sources/CNanoKernels/rows/swiglu.inc", "store_numbers(out, o + i, activation * gate, count, format);",
     "store_numbers(out, o + i, activation * gate * (format == NK_FP32 ? 1.0f : 2.0f), count, format);",
     "kernelsTakeHalves"),
    ("Sources/CNanoKernels/rows/softmax.inc", "memset((char *)gradient + r * bytes, 0, bytes);",
     "memset((char *)gradient + r * bytes, 0, bytes / 2);", "rowKernelsTakeHalves"),
    ("Sources/CNanoKernels/attention/short_attention.inc", "r * out_row, width, format", "r * out_row, width - 1, format",
     "headsTakeHalves"),
    ("Sources/CNanoKernels/attention/rotary.inc", "to_halves(wide + r * length, out", "to_halves(wide, out", "kernelsTakeHalves"),
    ("Sources/CNanoKernels/rows/norms.inc", "nk_vector dy_i = load_numbers(dy, row + i, count, dy_format)",
     "nk_vector dy_i = load_numbers(dy, row + i, count, dy_format) * (dy_format == NK_FP32 ? 1.0f : 2.0f)",
     "rowKernelsTakeHalves"),
    ("Sources/Autograd/Ops/Linear.swift", "roundingResult ? precision.activationFormat : nil", "nil",
     "linearRoundsItsResult"),
    ("Sources/Tensor/ControlGroups.swift", ".rounded(.up)", ".rounded(.down)", "controlGroupsLimitTheThreads"),
    ("Sources/Data/StoryPreparation.swift", "{ try find() ?? make() }", "{ try make() }",
     "preparationsAtTheSameTimeShareACache"),
    ("Sources/Training/OutputFolder.swift", "leftover in try FileManager.default.contentsOfDirectory(atPath: path)",
     "leftover in [String]()", "whatAKilledCommandLeftBesideAFolderIsNotInTheWay"),
    ("Sources/Data/FolderLock.swift", "held.st_ino == named.st_ino", "held.st_mode == named.st_mode",
     "aRunWhoseFolderIsRemovedIsAnError"),
    ("Sources/Data/AtomicFile.swift", "status.st_nlink > 0", "status.st_size >= 0", "linesOfARemovedFileAreAnError"),
    ("Sources/Data/TokenFile.swift", "checksum == data.word(", "checksum != 1 + data.word(", "everyFlippedBitIsFound"),
    ("Sources/Data/StoryReader.swift", "start = TextFile.byteOrderMarkLength(of: first)", "start = 0",
     "jsonLinesMayHaveAMarkAndAnyName"),
    ("Sources/Data/JSONArrayScanner.swift", "isInString = false", "isInString = depth < 0", "jsonArraysAreReadStoryByStory"),
    ("Sources/Data/FileForm.swift", "guard isTable(start, path: path) else { return }", "return",
     "tablesAndPackedFilesAreRefusedWithAdvice"),
    ("Sources/Experiments/CorpusRecipe.swift", "training = record.trainingSHA256", 'training = ""',
     "storiesAreKnownByTheirContent"),
    ("Sources/Training/RunProgress.swift", "seconds.allSatisfy { $0 >= 0 && $0 < 1e12 }", "seconds.count > 0",
     "valuesAreLookedAtBehindARightHash"),
    ("Sources/Experiments/RunLoop.swift", "state.progress.best = point\n    }", "}",
     "aStoppedCharacterRunEndsWithTheBitsOfOneThatWasNot"),
    ("Sources/Report/Completeness.swift", "results.interrupted || made.contains", "results.interrupted && made.contains",
     "interruptedRunsHaveNoWinner"),
    ("Sources/Autograd/Gradients.swift", "sum += gradient.tensor", "if case .whole(let other) = gradient { sum += other }",
     "gradientsOfBothFormatsAddUp"),
    ("Sources/Autograd/Ops/RMSNorm.swift", "format: tape.precision.activationFormat", "format: nil",
     "normsRoundTheirResults"),
    ("Sources/Autograd/Ops/LatentAttention.swift", "of: sums, from: g.positionFreeWidth", "of: sums, from: 0", "latentAttention"),
    ("Sources/Autograd/Ops/FeedForward.swift", "bias: biases.contraction, precision: precision)",
     "bias: biases.contraction, precision: .bfloat16)", "feedForwardIsItsParts"),
    ("Sources/CNanoKernels/dispatch/vector.h", "(((magnitude >> 13) & 1) + 0xFFF)", "0x1000", "halvesRoundAsIEEE"),
    ("Sources/Autograd/Ops/RouterLosses.swift", "(f[expert] - weighted / sum) / sum", "f[expert] / sum",
     "routerLosses"),
    ("Sources/Autograd/Ops/RoutedExperts.swift", "plan.places.map { dw[Int($0)] }",
     "plan.places.indices.map { dw[$0] }", "dispatchEqualsTheDenseComputationWithMaskedExperts"),
    ("Sources/Autograd/Ops/LinearCrossEntropy.swift", "start == 0 ? nil : .result(times: 1),\n        precision: precision)\n    }\n    return (total", "nil,\n        precision: precision)\n    }\n    return (total",
     "linearCrossEntropyEqualsItsParts"),
    ("Sources/Autograd/Ops/Dropout.swift", "firstSequence + sequence", "sequence",
     "dropoutKeepsTheMeanAndMasksTheGradient"),
    ("Sources/Autograd/Ops/SelectionBiases.swift", "biases[index] += rate * (sign - mean)",
     "biases[index] -= rate * (sign - mean)", "selectionBiasesBalanceASkewedStream"),
    ("Sources/Data/SentencePieceTokenizer.swift", '[UInt8(ascii: " "), 0x81]', '[UInt8(ascii: " ")]',
     "wordsHaveTheTokensOfWholeTexts"),
    ("Sources/Data/TokenFile.swift", "header.tokenizer == tokenizer.digest", "!tokenizer.digest.isEmpty",
     "damagedAndForeignTokenFilesAreRefused"),
    ("Sources/Data/StoryBlock.swift", "content.firstIndex(of: 0)", "content.firstIndex(of: 1)", "badStoriesAreNamed"),
    ("Sources/Data/StoryBlock.swift", "count - (stretch.count - trimmed.count)", "count",
     "tokenFilesAreTheSameOnAnyNumberOfThreads"),
    ("Sources/Data/StoryBlockReader.swift", "bytes.count - StoryReader.mark.count)", "bytes.count)", "marksMayLieAcrossBlocks"),
    ("Sources/Data/WordTokenizer.swift", "while end < story.count, !endsWord[Int(story[end - 1])] {", "while false {", "wordsHaveTheTokensOfWholeTexts"),
    ("Sources/Data/SentencePieceModel.swift", "allSatisfy { $0 || !$1 }", "allSatisfy { _, _ in true }",
     "modelsWithSpacesInsidePiecesTakeWholeTexts"),
    ("Sources/Data/SentencePieceModel.swift", "&& algorithm == .bytePair", "", "modelsWithSpacesInsidePiecesTakeWholeTexts"),
    ("Sources/Data/UTF8Bytes.swift", "case 0xE0: (length, second) = (3, 0xA0...0xBF)",
     "case 0xE0: (length, second) = (3, 0x80...0xBF)", "charactersAreCountedWhereBytesAreUTF8"),
    ("Sources/Data/JSONStoryScanner.swift", "guard texts.count <= 1, stories.count <= 1 else { return nil }", "",
     "scannedStoriesAreThoseOfAParser"),
    ("Sources/Data/OrderedBlocks.swift", "if case .failure(let error) = outcome { failure = error }",
     "if case .failure(let error) = outcome, takenBlocks > 40 { failure = error }", "errorsOfTakingEndTheWork"),
    ("Sources/Data/Download.swift", "found != wanted {", "found.isEmpty {", "wrongBytesAreDeleted"),
    ("Sources/Training/Sampler.swift", "temperature * log(minP)", "temperature * log(minP) - 1",
     "samplersKeepWhatTheySay"),
    ("Sources/Training/Checkpoint.swift", "found.finalized() == hash", "!hash.isEmpty",
     "damagedCheckpointsAreRefusedAndTheOneBeforeIsOffered"),
    ("Sources/Training/LossScale.swift", "guard value > 0x1p-20 else", "guard value > 0x1p30 else",
     "lossScalingRecoversFromAPlantedOverflow"),
    ("Sources/Training/FullPassEvaluator.swift", "start == 0 ? text.before : text[start - 1..<start][0]",
     "text.before", "theFullPassScoresEveryTokenOnce"),
    ("Sources/Training/Trainer.swift", "    states = restored\n", "",
     "aStoppedRunEndsWithTheBitsOfOneThatWasNot"),
    ("Sources/Training/Trainer.swift", "    states = restored\n", "", "killedRunsResumeBitExact"),
]

root = pathlib.Path(__file__).resolve().parent.parent
modules = ["Tensor", "Autograd", "Layers", "Data", "Training", "BenchCLI"]
environment = dict(os.environ)
if len(sys.argv) > 1:
    modules = sys.argv[1:2]
    tests = "".join(p.read_text() for p in (root / f"Tests/Nano{modules[0]}Tests").glob("*.swift"))
    FAULTS = [fault for fault in FAULTS if f"func {fault[3]}(" in tests]
    environment["NANO_KIMI_TEST"] = f"Nano{modules[0]}"
copy = pathlib.Path(tempfile.mkdtemp()) / "project"
shutil.copytree(root, copy, ignore=shutil.ignore_patterns(".build*", ".git", "runs"))
for file, old, new, _ in FAULTS:
    path = copy / file
    text = path.read_text()
    if old in text:
        path.write_text(text.replace(old, new, 1))
    elif not any(f == file and o == old for f, o, *_ in FAULTS[:FAULTS.index((file, old, new, _))]):
        sys.exit(f"{file}: no longer contains {old!r}")


def swift(*arguments):
    return subprocess.run(["swift", *arguments], cwd=copy, env=environment, capture_output=True, text=True)


build = swift("build", "-c", "release", "--build-tests", "-Xswiftc", "-enable-testing")
if build.returncode != 0:
    sys.exit(build.stdout + build.stderr)
failed = set()
for module in modules:
    name = f"Nano{module}Tests" if module != "BenchCLI" else "BenchCLITests"
    output = swift("test", "-c", "release", "--skip-build", "--filter", name).stdout
    failed |= set(re.findall(r"✘ Test (\w+)\(", output))
missed = [(file, test) for file, _, _, test in FAULTS if test not in failed]
for file, test in missed:
    print(f"not noticed: the fault in {file} by {test}")
print(f"{len(FAULTS) - len(missed)} of {len(FAULTS)} faults noticed")
shutil.rmtree(copy.parent)
sys.exit(bool(missed))
