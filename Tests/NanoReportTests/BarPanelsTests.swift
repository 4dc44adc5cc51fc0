import CCairo
import Foundation
import NanoExperiments
import NanoTestSupport
import NanoTraining
import Testing

@testable import NanoReport

@Test func barsAreAsHighAsTheirValues() throws {
  let study = try results(
    .publishedCharacters, [try run("nanogpt", loss: 2, stepMs: 5), try run("nanokimi", loss: 1, stepMs: 15)])
  let picture = try Figures.comparison(study)
  let blue = try pixelCounts(of: picture, red: 56, green: 107, blue: 176)
  let orange = try pixelCounts(of: picture, red: 214, green: 94, blue: 26)
  let expected = [1 / 2.0, 3, 1, 1]
  for (panel, ratio) in expected.enumerated() {
    #expect(blue[panel] > 5_000)
    #expect(abs(Double(orange[panel]) / Double(blue[panel]) / ratio - 1) < 0.02, "panel \(panel)")
  }
}

/// Neither a title that says "and", nor a proportion of the bars.
@Test func picturesOfUnequalRunsSayWhatEachModelMade() throws {
  let models = [
    try run("nanogpt", loss: 2), try run("nanokimi", loss: 1, iterations: 30),
  ]
  #expect(
    try Completeness(results(.publishedCharacters, models, interrupted: true)).caution
      == "Interrupted: NanoGPT made 100, NanoKimi made 30 of 100 iterations")
  #expect(Completeness(try results(.publishedCharacters, [models[0]])).caution == nil)
  func draw(_ caution: String?) throws -> Data {
    let bars = models.map { BarPanels.Bar(label: $0.name, color: .ink, values: [$0.bestValidationLoss]) }
    return try BarPanels(
      title: "Title", subtitle: "", caution: caution,
      panels: [BarPanels.Panel(title: "Loss", unit: "", format: "%.4f", bars: bars)]
    ).png()
  }
  // The proportion stands at the panel's upper right, in the colour of axes.
  let counts = try [nil, "Title"].map {
    try pixelCounts(of: draw($0), red: 107, green: 115, blue: 128)[0]
  }
  #expect(counts[1] < counts[0])
}

/// How many pixels of a picture have a colour, in each quarter: top left, top right, bottom left and right.
private func pixelCounts(of png: Data, red: Int, green: Int, blue: Int) throws -> [Int] {
  let folder = try TemporaryFolder()
  let path = folder.path + "/picture.png"
  try png.write(to: URL(fileURLWithPath: path))
  let surface = cairo_image_surface_create_from_png(path)
  defer { cairo_surface_destroy(surface) }
  let (width, height) = (
    Int(cairo_image_surface_get_width(surface)), Int(cairo_image_surface_get_height(surface))
  )
  let stride = Int(cairo_image_surface_get_stride(surface))
  let bytes = try #require(cairo_image_surface_get_data(surface))
  var counts = [0, 0, 0, 0]
  for y in 0..<height {
    for x in 0..<width {
      let pixel = bytes + y * stride + 4 * x
      // Cairo's rounding may differ by one.
      if zip([blue, green, red], 0...).allSatisfy({ abs(Int(pixel[$1]) - $0) <= 1 }) {
        counts[(2 * y / height) * 2 + 2 * x / width] += 1
      }
    }
  }
  return counts
}
