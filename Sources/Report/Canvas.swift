internal import CCairo
internal import Foundation

/// A picture that could not be made.
public struct DrawingError: Error, Hashable, CustomStringConvertible {
  /// What went wrong.
  public let description: String
}

/// A colour, each channel from 0 to 1.
struct Color: Hashable, Sendable {
  var red, green, blue: Double
  var opacity = 1.0

  static let ink = Color(red: 0.13, green: 0.15, blue: 0.18)
  static let faint = Color(red: 0.42, green: 0.45, blue: 0.50)
  static let grid = Color(red: 0.88, green: 0.89, blue: 0.91)
  static let paper = Color(red: 1, green: 1, blue: 1)

  func withOpacity(_ opacity: Double) -> Color {
    Color(red: red, green: green, blue: blue, opacity: opacity)
  }
}

struct Point {
  var x, y: Double
}

struct Rectangle {
  var x, y, width, height: Double
  var maxX: Double { x + width }
  var maxY: Double { y + height }
}

/// A drawing surface on Cairo, in points; a PNG has two pixels a point.
final class Canvas {
  enum Alignment: Double {
    case left = 0
    case center = 0.5
    case right = 1
  }

  private let surface: OpaquePointer
  private let context: OpaquePointer
  private static let scale = 2.0

  init(width: Double, height: Double) throws(DrawingError) {
    surface = cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, Int32(width * Self.scale), Int32(height * Self.scale))
    context = cairo_create(surface)
    guard cairo_status(context) == CAIRO_STATUS_SUCCESS else {
      throw DrawingError(
        description: "a picture of \(width)×\(height) points: "
          + String(cString: cairo_status_to_string(cairo_status(context))))
    }
    cairo_scale(context, Self.scale, Self.scale)
    fill(Rectangle(x: 0, y: 0, width: width, height: height), .paper)
  }

  deinit {
    cairo_destroy(context)
    cairo_surface_destroy(surface)
  }

  func fill(_ rectangle: Rectangle, _ color: Color) {
    set(color)
    cairo_rectangle(context, rectangle.x, rectangle.y, rectangle.width, rectangle.height)
    cairo_fill(context)
  }

  /// A line through points, clipped to a rectangle when one is given.
  func stroke(
    _ points: [Point], _ color: Color, width: Double = 1, dashes: [Double] = [],
    clippedTo clip: Rectangle? = nil
  ) {
    guard let first = points.first else { return }
    cairo_save(context)
    if let clip {
      cairo_rectangle(context, clip.x, clip.y, clip.width, clip.height)
      cairo_clip(context)
    }
    set(color)
    cairo_set_line_width(context, width)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    cairo_set_dash(context, dashes, Int32(dashes.count), 0)
    cairo_move_to(context, first.x, first.y)
    for point in points.dropFirst() { cairo_line_to(context, point.x, point.y) }
    cairo_stroke(context)
    cairo_restore(context)
  }

  /// A circle's outline on paper.
  func ring(at center: Point, radius: Double, _ color: Color) {
    cairo_save(context)
    cairo_new_path(context)
    cairo_arc(context, center.x, center.y, radius, 0, 2 * Double.pi)
    set(.paper)
    cairo_fill_preserve(context)
    set(color)
    cairo_set_line_width(context, 1.2)
    cairo_stroke(context)
    cairo_restore(context)
  }

  func text(
    _ text: String, at point: Point, size: Double = 12, color: Color = .ink, bold: Bool = false,
    align: Alignment = .left, turned: Bool = false
  ) {
    cairo_save(context)
    select(size: size, bold: bold)
    set(color)
    cairo_move_to(context, point.x, point.y)
    if turned { cairo_rotate(context, -Double.pi / 2) }
    cairo_rel_move_to(context, -align.rawValue * width(of: text, size: size, bold: bold), 0)
    cairo_show_text(context, text)
    cairo_restore(context)
  }

  func width(of text: String, size: Double, bold: Bool = false) -> Double {
    select(size: size, bold: bold)
    var extents = cairo_text_extents_t()
    cairo_text_extents(context, text, &extents)
    return extents.x_advance
  }

  /// The picture as a PNG file.
  func png() throws(DrawingError) -> Data {
    final class Sink { var data = Data() }
    let sink = Sink()
    let status = cairo_surface_write_to_png_stream(
      surface,
      { context, bytes, count in
        guard let context, let bytes else { return CAIRO_STATUS_WRITE_ERROR }
        Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue().data.append(
          bytes, count: Int(count))
        return CAIRO_STATUS_SUCCESS
      }, Unmanaged.passUnretained(sink).toOpaque())
    guard status == CAIRO_STATUS_SUCCESS else {
      throw DrawingError(description: String(cString: cairo_status_to_string(status)))
    }
    return sink.data
  }

  private func set(_ color: Color) {
    cairo_set_source_rgba(context, color.red, color.green, color.blue, color.opacity)
  }

  private func select(size: Double, bold: Bool) {
    cairo_select_font_face(
      context, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
      bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
    cairo_set_font_size(context, size)
  }
}
