/// How the page looks: in light and dark, on a phone, a screen and paper.
enum PageStyle {
  static let text = #"""
    :root {
      color-scheme: light dark;
      --paper: #ffffff; --ink: #1b1f24; --faint: #59616b; --rule: #dfe3e8; --panel: #f5f6f8; --accent: #2a5ca8;
      --c0: #386bb0; --c1: #d65e1a; --c2: #2f8a8a; --c3: #8c57a3;
      --c4: #6b6b6b; --c5: #9a7500; --c6: #bb4f86; --c7: #4d8c40;
    }
    @media screen and (prefers-color-scheme: dark) {
      :root {
        --paper: #14171b; --ink: #e7eaee; --faint: #a0a9b4; --rule: #2e343b; --panel: #1d2126; --accent: #8ab4f0;
        --c0: #7aa9e6; --c1: #f08b4f; --c2: #63c2c2; --c3: #c596dc;
        --c4: #b0b0b0; --c5: #d9b440; --c6: #ea8fbc; --c7: #86c77a;
      }
    }
    .a0 { --mark: var(--c0); } .a1 { --mark: var(--c1); } .a2 { --mark: var(--c2); } .a3 { --mark: var(--c3); }
    .a4 { --mark: var(--c4); } .a5 { --mark: var(--c5); } .a6 { --mark: var(--c6); } .a7 { --mark: var(--c7); }

    * { box-sizing: border-box; }
    body {
      margin: 0 auto; max-width: 68rem; padding: 1.25rem 1rem 3rem;
      background: var(--paper); color: var(--ink);
      font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: break-word;
    }
    h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; }
    h2 { font-size: 1.15rem; line-height: 1.3; margin: 0 0 .25rem; }
    h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
    p { margin: .25rem 0 .75rem; max-width: 44rem; }
    a { color: var(--accent); }
    section { border-top: 1px solid var(--rule); margin-top: 2rem; padding-top: 1.25rem; }
    nav { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin-top: .75rem; font-size: .9rem; }
    nav a { padding: .2rem 0; text-decoration: none; }
    nav a:hover { text-decoration: underline; }
    code, pre { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em; }
    .note, figcaption { color: var(--faint); font-size: .9rem; }
    .verdict { font-size: 1.3rem; line-height: 1.4; margin: 1rem 0 .5rem; max-width: 46rem; }
    .verdict + ul { margin: 0; max-width: 46rem; padding-left: 1.2rem; }
    .status {
      background: var(--panel); border-left: 4px solid var(--accent); margin: 1rem 0; max-width: none;
      padding: .5rem .75rem;
    }
    .caution { border-color: var(--c1); }
    progress { accent-color: var(--accent); display: block; height: .5rem; margin-top: .35rem; width: 100%; }
    details { margin: .5rem 0; }
    summary { cursor: pointer; padding: .35rem 0; }
    summary:hover { color: var(--accent); }
    :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
    .hidden { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; width: 1px; }

    /* Names stay in view while the figures scroll. */
    .scroll { margin: .5rem 0; overflow-x: auto; }
    table { border-collapse: collapse; font-size: .9rem; }
    th, td {
      border-bottom: 1px solid var(--rule); padding: .35rem .6rem; text-align: right; vertical-align: top;
      white-space: nowrap;
    }
    thead th { border-bottom: 2px solid var(--rule); font-weight: 600; vertical-align: bottom; }
    tbody th { font-weight: 500; }
    th:first-child { background: var(--paper); left: 0; padding-left: 0; position: sticky; text-align: left; }
    .text, table.text th, table.text td { text-align: left; }
    td.text { min-width: 9rem; overflow-wrap: anywhere; white-space: normal; }
    .mark { color: var(--mark, var(--ink)); display: inline-block; height: .8em; margin-right: .45em; width: .8em; }
    .mark svg { display: block; height: 100%; overflow: visible; width: 100%; }

    /* Dots and whiskers: plots in a table's cells, laid out in per cent. */
    .dots { width: 100%; }
    .dots th, .dots td { vertical-align: middle; }
    .dots tbody th { min-width: min(15rem, 34vw); white-space: normal; width: 1%; }
    .dots td, .dots thead th { width: 1%; }
    .dots .axis { height: 2.1rem; min-width: 8rem; padding: 0 1rem; width: auto; }
    .dots thead .axis { height: auto; padding: .35rem 1rem; text-align: left; vertical-align: bottom; }
    .dots td.words { min-width: 8.5rem; }
    .track { display: block; height: 100%; min-height: 2.1rem; position: relative; }
    .track i { position: absolute; }
    .track .tick { border-left: 1px solid var(--rule); bottom: 0; top: 0; }
    .track .zero { border-left: 1.5px dashed var(--faint); bottom: 0; top: 0; }
    .track .whisker { background: var(--mark, var(--ink)); height: 2px; top: calc(50% - 1px); }
    .track .whisker::before, .track .whisker::after {
      background: inherit; content: ""; height: 10px; position: absolute; top: -4px; width: 2px;
    }
    .track .whisker::before { left: 0; }
    .track .whisker::after { right: 0; }
    .track .seed {
      border: 1.5px solid var(--mark, var(--ink)); border-radius: 50%; height: 7px; margin: -3.5px; opacity: .75;
      top: 50%; width: 7px;
    }
    .track .mean {
      background: var(--mark, var(--ink)); border: 2px solid var(--paper); border-radius: 50%; height: 14px;
      margin: -7px; top: 50%; width: 14px;
    }
    .track .open { background: var(--paper); border: 2.5px solid var(--mark, var(--ink)); }
    .scale th, .scale td { border: 0; color: var(--faint); font-size: .8rem; padding-top: .2rem; }
    .scale .track { min-height: 1.2rem; }
    .scale i { font-style: normal; transform: translateX(-50%); white-space: nowrap; }
    @media (max-width: 40rem) {
      .dots thead { clip-path: inset(50%); height: 1px; overflow: hidden; position: absolute; }
      .dots, .dots tbody { display: block; }
      .dots tr { border-bottom: 1px solid var(--rule); display: grid; grid-template-columns: 1fr auto; }
      .dots tbody th, .dots td { border: 0; min-width: 0; padding-left: 0; padding-right: 0; width: auto; }
      .dots .axis { grid-column: 1 / -1; grid-row: 2; height: 1.7rem; margin: 0 .6rem; padding: 0; }
      .dots td.words { grid-column: 1 / -1; padding-top: 0; }
      .scale > :not(.axis) { display: none; }
    }

    /* Charts that the script draws. */
    figure { margin: .5rem 0 1rem; }
    fieldset { border: 0; display: flex; flex-wrap: wrap; gap: .75rem; margin: 0; padding: 0; }
    legend { color: var(--faint); float: left; margin-right: .75rem; padding: 0; }
    label { cursor: pointer; }
    input { accent-color: var(--accent); margin: 0 .35em 0 0; }
    .controls { display: flex; flex-wrap: wrap; font-size: .9rem; gap: .4rem 1.25rem; margin: .5rem 0; }
    .plot { min-height: 240px; touch-action: pan-y; }
    .plot svg { display: block; overflow: visible; width: 100%; }
    .plot text { fill: var(--faint); font-size: 12px; }
    .grid { stroke: var(--rule); }
    .base, .cursor, .reference { stroke: var(--faint); }
    .reference { stroke-dasharray: 5 4; }
    .line { fill: none; stroke: var(--mark); stroke-linejoin: round; stroke-width: 2; }
    .thin { opacity: .55; stroke-width: 1.2; }
    .dashed { opacity: .7; stroke-dasharray: 3 3; stroke-width: 1.2; }
    .band { fill: var(--mark); opacity: .16; }
    .point { fill: var(--mark); stroke: var(--paper); stroke-width: 1.5; }
    .faded { opacity: .18; }
    .position { color: var(--faint); font-size: .9rem; min-height: 1.5em; }
    .keys {
      display: grid; gap: .15rem .75rem; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr));
    }
    button {
      align-items: baseline; background: none; border: 1px solid transparent; border-radius: .35rem; color: inherit;
      cursor: pointer; display: flex; font: inherit; font-size: .9rem; padding: .25rem .4rem; text-align: left;
    }
    button:hover { background: var(--panel); border-color: var(--rule); }
    button .mark { flex: none; }
    button .name { flex: 1; }
    button[aria-pressed=false] { opacity: .55; }
    button[aria-pressed=false] .name { text-decoration: line-through; }

    .grids, .samples { display: grid; gap: 1rem 1.5rem; }
    .grids { grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
    .samples { grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); margin-bottom: 1rem; }
    canvas { border: 1px solid var(--rule); display: block; height: 6rem; image-rendering: pixelated; width: 100%; }
    pre { background: var(--panel); border-radius: .35rem; margin: .25rem 0; overflow: auto; padding: .6rem .75rem; }
    .samples pre { max-height: 24rem; overflow-wrap: anywhere; white-space: pre-wrap; }
    mark { background: none; color: var(--faint); }
    dl { display: grid; font-size: .95rem; gap: .2rem 1rem; grid-template-columns: max-content 1fr; margin: .5rem 0; }
    dt { color: var(--faint); }
    dd { margin: 0; overflow-wrap: anywhere; }
    @media (max-width: 40rem) {
      dl { grid-template-columns: 1fr; }
      dd { margin-bottom: .4rem; }
      .verdict { font-size: 1.15rem; }
      /* The figures need the room that their names would take in one line. */
      thead th, tbody th { white-space: normal; }
      th:first-child { min-width: 7.5rem; overflow-wrap: anywhere; }
      th, td { padding-left: .4rem; padding-right: .4rem; }
    }

    @media print {
      body { font-size: 10pt; max-width: none; padding: 0; }
      nav, .controls, progress { display: none; }
      figure, tr, .samples > div { break-inside: avoid; }
      h2, h3 { break-after: avoid; }
      .scroll { overflow: visible; }
      th:first-child { position: static; }
      .scroll table { font-size: .7rem; }
      .scroll th, .scroll td { padding: .2rem .3rem; white-space: normal; }
      .samples pre { border: 1px solid var(--rule); max-height: none; }
      i, canvas, .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """#
}
