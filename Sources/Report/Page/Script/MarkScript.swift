extension PageScript {
  /// The mark of an arm: a colour and a shape, so that neither is needed alone.
  static let marks = #"""
    function svgElement(name, attributes, parent, text) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const key in attributes) made.setAttribute(key, attributes[key]);
      if (text !== undefined) made.textContent = text;
      if (parent) parent.append(made);
      return made;
    }

    // Corners around (0, 0) of the marks that tell arms apart where colours do not; without corners a circle.
    const shapes = [
      [],
      [[-1, -1], [1, -1], [1, 1], [-1, 1]],
      [[0, -1.25], [1.2, 0.9], [-1.2, 0.9]],
      [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]],
      [[0, 1.25], [1.2, -0.9], [-1.2, -0.9]],
      [[-0.45, -1.3], [0.45, -1.3], [0.45, -0.45], [1.3, -0.45], [1.3, 0.45], [0.45, 0.45],
        [0.45, 1.3], [-0.45, 1.3], [-0.45, 0.45], [-1.3, 0.45], [-1.3, -0.45], [-0.45, -0.45]],
      [[-1.2, -0.6], [-0.6, -1.2], [0, -0.6], [0.6, -1.2], [1.2, -0.6], [0.6, 0],
        [1.2, 0.6], [0.6, 1.2], [0, 0.6], [-0.6, 1.2], [-1.2, 0.6], [-0.6, 0]],
      Array.from({length: 10}, (_, i) => {
        const [angle, length] = [Math.PI * (i / 5 - 0.5), i % 2 ? 0.65 : 1.5];
        return [length * Math.cos(angle), length * Math.sin(angle)];
      }),
    ];

    function outline(arm, r) {
      const corners = shapes[arm.shape];
      if (!corners.length) return `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
      return "M" + corners.map(([x, y]) => `${(x * r).toFixed(2)} ${(y * r).toFixed(2)}`).join("L") + "Z";
    }

    function drawMark(arm, span) {
      const svg = svgElement("svg", {viewBox: "-6 -6 12 12", "aria-hidden": "true"}, span);
      svgElement("path", {d: outline(arm, 4.4), fill: "currentColor"}, svg);
    }

    for (const span of document.querySelectorAll("[data-arm]")) drawMark(data.arms[span.dataset.arm], span);
    """#
}
