extension PageScript {
  /// A chart of lines, read out by pointer, finger and arrow keys.
  static let chart = #"""
    // A chart of lines, whose legend reads them out, shows and hides them.
    class LineChart {
      // `content()` gives the series, ranges and texts; a series has an arm, a name, points [x, y], and may have a band
      // [x, low, high], thin lines and dashed lines.
      constructor(figure, content) {
        Object.assign(this, {figure, content, off: new Set(kept.off[figure.id]), at: null, raised: null});
        LineChart.all.push(this);
        const add = (name) => {
          const part = figure.appendChild(document.createElement("div"));
          part.className = name;
          return part;
        };
        this.plot = figure.querySelector(".plot");
        [this.position, this.keys, this.spoken] = ["position", "keys", "hidden"].map(add);
        this.spoken.setAttribute("aria-live", "polite");
        this.plot.tabIndex = 0;
        const on = (types, react) => types.forEach((type) => this.plot.addEventListener(type, react));
        on(["pointermove", "pointerdown"], (event) => this.point(event));
        on(["pointerleave", "blur"], () => this.read(null));
        on(["keydown"], (event) => this.press(event));
        new ResizeObserver(() => {
          if (this.plot.clientWidth !== this.width) this.draw();
        }).observe(this.plot);
        this.draw();
      }
      get shown() { return this.series.filter((s) => !this.off.has(s.name)); }

      draw() {
        this.width = this.plot.clientWidth;
        Object.assign(this, this.content());
        const width = Math.max(240, this.width), height = Math.round(Math.min(420, Math.max(240, width * 0.55)));
        const [right, bottom] = [width - 12, height - 44];
        const y = this.y = new Axis(this.yRange(this.shown), [bottom, 12], Math.max(3, Math.floor(height / 60)));
        const left = 14 + 7 * Math.max(3, ...y.ticks.map((tick) => y.label(tick).length));
        const x = this.x =
          new Axis(this.xRange, [left, right], Math.max(3, Math.floor(width / 90)), this.isLogarithmic);
        this.plot.replaceChildren();
        const svg = svgElement("svg", {viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true"}, this.plot);
        for (const tick of y.ticks) {
          const level = y.place(tick);
          svgElement("line", {class: "grid", x1: left, x2: right, y1: level, y2: level}, svg);
          svgElement("text", {x: left - 8, y: level + 4, "text-anchor": "end"}, svg, y.label(tick));
        }
        for (const tick of x.ticks)
          svgElement("text", {x: x.place(tick), y: bottom + 18, "text-anchor": "middle"}, svg, x.label(tick));
        svgElement("line", {class: "base", x1: left, x2: right, y1: bottom, y2: bottom}, svg);
        svgElement("text", {x: (left + right) / 2, y: height - 6, "text-anchor": "middle"}, svg, this.xLabel);
        const clip = `clip-${this.figure.id}`;
        const frame = {x: left, y: 0, width: right - left + 6, height: bottom};
        svgElement("rect", frame, svgElement("clipPath", {id: clip}, svgElement("defs", {}, svg)));
        const plane = svgElement("g", {"clip-path": `url(#${clip})`}, svg);
        if (this.reference && this.reference.value >= y.low) {
          const level = y.place(this.reference.value);
          svgElement("line", {class: "reference", x1: left, x2: right, y1: level, y2: level}, plane);
          svgElement("text", {x: left + 6, y: level - 5}, plane, this.reference.label);
        }
        this.groups = new Map(this.shown.map((s) => [s.name, this.drawSeries(s, plane)]));
        this.cursor = svgElement("g", {}, svg);
        if (this.keys.childElementCount !== this.series.length) this.drawKeys();
        this.raise(this.raised);
        this.read(this.at);
      }

      drawSeries(s, plane) {
        const path = (points) => points.length
          ? "M" + points.map((p) => `${this.x.place(p[0]).toFixed(1)} ${this.y.place(p[1]).toFixed(1)}`).join("L") : "";
        const group = svgElement("g", {class: `a${s.arm.color}`}, plane);
        if (s.band?.length) {
          const edges = [path(s.band.map((b) => [b[0], b[2]])), path(s.band.map((b) => [b[0], b[1]]).reverse())];
          svgElement("path", {class: "band", d: edges[0] + edges[1].replace("M", "L") + "Z"}, group);
        }
        for (const line of s.thin || []) svgElement("path", {class: "line thin", d: path(line)}, group);
        for (const line of s.dashed || []) svgElement("path", {class: "line dashed", d: path(line)}, group);
        svgElement("path", {class: "line", d: path(s.points)}, group);
        // A few marks a line, where other lines have none; all where points are few.
        const count = s.points.length, every = this.marksAll || count < 7 ? 1 : Math.ceil(count / 6);
        const first = Math.floor(this.series.indexOf(s) * every / this.series.length);
        s.points.forEach((point, i) => {
          if (i === count - 1 || i % every === first) this.drawPoint(s, point, i === s.chosen ? 6.5 : 4, group);
        });
        return group;
      }

      drawPoint(s, [x, y], r, parent) {
        const transform = `translate(${this.x.place(x)} ${this.y.place(y)})`;
        svgElement("path", {class: `point a${s.arm.color}`, d: outline(s.arm, r), transform}, parent);
      }

      drawKeys() {
        this.keys.replaceChildren(...this.series.map((s) => {
          const key = document.createElement("button");
          key.type = "button";
          key.className = `a${s.arm.color}`;
          const [mark, name, value] = ["mark", "name", "value"].map((part) => {
            const span = key.appendChild(document.createElement("span"));
            span.className = part;
            return span;
          });
          drawMark(s.arm, mark);
          name.textContent = s.name + " ";
          const showState = () => key.setAttribute("aria-pressed", String(!this.off.has(s.name)));
          showState();
          key.addEventListener("click", () => {
            if (!this.off.delete(s.name)) this.off.add(s.name);
            showState();
            this.draw();
          });
          for (const type of ["pointerenter", "focus"]) key.addEventListener(type, () => this.raise(s.name));
          for (const type of ["pointerleave", "blur"]) key.addEventListener(type, () => this.raise(null));
          return key;
        }));
      }

      // Brings one line to the front, and lets the others fade.
      raise(name) {
        this.raised = name;
        const raised = this.groups.get(name);
        for (const group of this.groups.values()) group.classList.toggle("faded", Boolean(raised) && group !== raised);
        raised?.parentNode.append(raised);
      }

      // Where a line has a point.
      get positions() {
        const inside = (x) => x >= this.xRange[0] && x <= this.xRange[1];
        return [...new Set(this.shown.flatMap((s) => s.points.map((p) => p[0])))].filter(inside).sort((a, b) => a - b);
      }

      point(event) {
        const at = event.clientX - this.plot.getBoundingClientRect().left;
        const distance = (x) => Math.abs(this.x.place(x) - at);
        const positions = this.positions;
        if (positions.length) this.read(positions.reduce((a, b) => distance(b) < distance(a) ? b : a));
      }

      press(event) {
        const positions = this.positions, last = positions.length - 1;
        const now = this.at === null ? last + 1 : positions.indexOf(this.at);
        const next = {ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: null}[event.key];
        if (next === undefined || last < 0) return;
        event.preventDefault();
        this.read(next === null ? null : positions[Math.min(last, Math.max(0, next))]);
        this.spoken.textContent = `${this.position.textContent}: ` +
          [...this.keys.children].map((key) => key.textContent.trim()).join(", ");
      }

      // Says what each line has at `at`, or at its end.
      read(at) {
        this.at = at;
        this.position.textContent = at === null ? this.endText : this.xText(at);
        this.cursor.replaceChildren();
        if (at !== null) {
          const x = this.x.place(at), [y1, y2] = this.y.pixels;
          svgElement("line", {class: "cursor", x1: x, x2: x, y1, y2}, this.cursor);
        }
        this.series.forEach((s, i) => {
          const isShown = !this.off.has(s.name);
          // Of a line that has its points elsewhere the last before.
          const point = isShown && s.points.findLast((p) => at === null || p[0] <= at);
          const value = this.keys.children[i].querySelector(".value");
          value.textContent = point ? this.yText(point[1]) : isShown ? "–" : "";
          if (at !== null && point) this.drawPoint(s, point, 5.5, this.cursor);
        });
      }
    }
    LineChart.all = [];
    """#
}
