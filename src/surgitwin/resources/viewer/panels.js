// The panels: tree, cut plane and measurements on the left, the plans' numbers on the right. Text from the twin is only
// ever set as text, never as HTML.

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function section(title, open, ...children) {
  return make("details", { class: "section", open }, make("summary", {}, make("h2", { text: title })), ...children);
}

function badge(status) {
  return make("span", { class: `badge ${status.key}`, title: status.meaning, text: status.label });
}

function paragraphs(kind, texts) {
  return texts.map((text) => make("p", { class: kind, text }));
}

function buildHead() {
  const chips = twin.statuses.map(badge);
  document.getElementById("head").append(
    make("div", { class: "title" }, make("h1", { text: twin.title }), make("span", { class: "case", text: twin.case }), ...chips),
    make("p", { class: "facts", text: twin.facts.join(" · ") }),
  );
  const notices = document.getElementById("notices");
  for (const notice of twin.banners) {
    notices.append(make("p", { class: `notice ${notice.level}` }, make("span", { class: "sign", "aria-hidden": "true", text: "▲" }), make("span", { text: notice.text })));
  }
  document.getElementById("foot").append(...paragraphs("", twin.disclaimers));
}

// ---- tree

class Tree {
  constructor(holder, hands) {
    this.hands = hands;
    this.rows = new Map();
    for (const group of twin.tree) holder.append(this.group(group));
  }

  group(group) {
    const all = make("input", { type: "checkbox", "aria-label": say("show_group", { name: group.name }) });
    const list = make("ul", { class: "tree" }, ...group.items.map((item) => this.row(item)));
    const open = group.items.some((item) => item.visible) || group.items.length <= 8;
    all.addEventListener("change", () => group.items.forEach((item) => this.hands.look(item.id, { visible: all.checked })));
    all.addEventListener("click", (event) => event.stopPropagation());
    this.rows.set(group, { all, items: group.items });
    const title = make("summary", {}, all, make("h3", { text: group.name }), make("span", { class: "count", text: String(group.items.length) }));
    return make("details", { class: "group", open }, title, list);
  }

  row(item) {
    const box = make("input", { type: "checkbox", "aria-label": say("show_item", { name: item.name }) });
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = `rgb(${item.color.join(",")})`;
    const slider = make("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": say("opacity_of", { name: item.name }) });
    box.addEventListener("change", () => this.hands.look(item.id, { visible: box.checked }));
    slider.addEventListener("input", () => this.hands.look(item.id, { opacity: Number(slider.value) / 100, visible: true }));
    this.rows.set(item.id, { box, slider });
    const name = make("span", { class: "name", text: item.name });
    const badges = item.statuses.map(badge);
    const detail = item.detail ? make("span", { class: "detail", text: item.detail }) : null;
    return make("li", {}, make("label", { class: "row" }, box, swatch, make("span", { class: "what" }, name, ...badges, detail)), slider);
  }

  follow(looks) {
    for (const [key, row] of this.rows) {
      if (typeof key === "string") {
        const look = looks.get(key);
        row.box.checked = look.visible;
        row.slider.value = Math.round(look.opacity * 100);
        row.slider.disabled = !look.visible;
      } else {
        const visible = row.items.filter((item) => looks.get(item.id).visible).length;
        row.all.checked = visible > 0;
        row.all.indeterminate = visible > 0 && visible < row.items.length;
      }
    }
  }
}

// ---- plans and results

function table(titles, rows, kinds) {
  const head = titles ? make("thead", {}, make("tr", {}, ...titles.map((text) => make("th", { scope: "col", text })))) : null;
  const body = rows.map((row) => make("tr", {}, ...row.map((text, k) => make(k ? "td" : "th", { scope: k ? null : "row", class: kinds ? kinds[k] : null, text }))));
  return make("div", { class: "wide" }, make("table", {}, head, make("tbody", {}, ...body)));
}

function limitRows(limits) {
  return make("ul", { class: "limits" }, ...limits.map((limit) => make("li", { class: limit.bearing },
    make("span", { class: "sign", "aria-hidden": "true", text: limit.sign }),
    make("span", { class: "what" },
      make("strong", { text: limit.verdict }), make("span", { text: ` ${limit.label}` }),
      limit.note ? make("span", { class: "detail", text: limit.note }) : null))));
}

// Which plan stands in the picture, with its first numbers; all of its numbers are in its own section below.
function buildChooser(chosen, choose) {
  const row = (id, drawn, ...what) => make("label", { class: "row" },
    make("input", { type: "radio", name: "plan", value: id ?? "", checked: id === chosen, disabled: !drawn, onchange: () => choose(id) }),
    make("span", { class: "what" }, ...what));
  const rows = twin.plans.map((plan) => row(plan.id, plan.parts.length > 0, make("span", { class: "name", text: plan.name }), ...plan.statuses.map(badge),
    make("span", { class: "detail", text: plan.parts.length ? plan.large.map((one) => `${one.label} ${one.value}`).join(" · ") : plan.not_drawn })));
  return section(words.plans, true, ...rows, row(null, true, make("span", { class: "name", text: words.no_plan })));
}

function buildPlan(plan, open) {
  const large = plan.large.map((one) => make("div", { class: "large" }, make("span", { class: "value", text: one.value }), make("span", { class: "label", text: one.label })));
  return section(plan.name, open,
    make("p", { class: "badges" }, ...plan.statuses.map(badge), make("span", { class: "detail", text: plan.organ })),
    make("div", { class: "larges" }, ...large),
    table(null, plan.figures, ["", "number"]),
    plan.lesions.length ? make("h3", { text: words.lesions }) : null,
    plan.lesions.length ? table(words.lesion_titles, plan.lesions, ["", "number", "number", "number"]) : null,
    plan.limits.length ? make("h3", { text: words.limits }) : null,
    plan.limits.length ? limitRows(plan.limits) : null,
    ...paragraphs("warning", plan.warnings),
    plan.cuts.length ? make("h3", { text: words.cuts }) : null,
    ...paragraphs("detail", plan.cuts),
    ...paragraphs("", plan.notes ? [plan.notes] : []),
  );
}

function buildResult(result) {
  const large = result.large.map((one) => make("div", { class: "large" }, make("span", { class: "value", text: one.value }), make("span", { class: "label", text: one.label })));
  return section(result.title, true,
    make("p", { class: "badges" }, ...result.statuses.map(badge)),
    make("div", { class: "larges" }, ...large),
    result.figures.length ? table(result.titles, result.figures, ["", "number", "number"]) : null,
    result.limits.length ? make("h3", { text: words.limits }) : null,
    result.limits.length ? limitRows(result.limits) : null,
    ...paragraphs("warning", result.warnings),
    ...paragraphs("detail", result.remarks),
  );
}

function buildMeasurements(holder, marks, ruler) {
  const rows = twin.measurements.map((one) => {
    const box = make("input", { type: "checkbox", checked: one.visible, "aria-label": say("show_item", { name: one.name }) });
    const apply = () => marks && marks.show(one.id, box.checked ? one : null);
    box.addEventListener("change", apply);
    apply();
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = one.color;
    const values = one.values.map((text, k) => make("span", { class: k ? "detail" : "detail value", text }));
    const what = make("span", { class: "what" }, make("span", { class: "name", text: one.name }), ...one.statuses.map(badge), ...values);
    return make("li", {}, make("label", { class: "row" }, box, swatch, what), ...paragraphs("warning", one.warnings));
  });
  holder.append(section(words.measurements, true,
    ruler ? ruler.build() : null,
    rows.length ? make("ul", { class: "tree measured" }, ...rows) : make("p", { class: "detail", text: words.no_measurements })));
}

// ---- cut plane

const AXES = { x: ["R", "L"], y: ["A", "P"], z: ["I", "S"] };

class CutPlane {
  constructor(stage) {
    this.stage = stage;
    this.on = make("input", { type: "checkbox", id: "cut-on" });
    this.axis = make("select", { id: "cut-axis", "aria-label": words.cut_axis },
      ...Object.keys(AXES).map((key) => make("option", { value: key, text: words[`cut_${key}`] })));
    this.slider = make("input", { type: "range", id: "cut-place", step: 0.5, "aria-label": words.cut_place });
    this.flip = make("input", { type: "checkbox", id: "cut-flip" });
    this.text = make("output", { class: "detail", id: "cut-text" });
    this.axis.value = "y";
    this.range();
    this.on.addEventListener("change", () => this.apply());
    this.axis.addEventListener("change", () => { this.range(); this.on.checked = true; this.apply(); });
    this.slider.addEventListener("input", () => { this.on.checked = true; this.apply(); });
    this.flip.addEventListener("change", () => this.apply());
  }

  build() {
    return section(words.cut_plane, true,
      make("label", { class: "row" }, this.on, make("span", { text: words.cut_on })),
      make("div", { class: "row" }, this.axis, this.text),
      this.slider,
      make("label", { class: "row" }, this.flip, make("span", { text: words.cut_flip })));
  }

  range() {
    const [low, high] = [this.stage.box.min[this.axis.value], this.stage.box.max[this.axis.value]];
    this.slider.min = Math.floor(low);
    this.slider.max = Math.ceil(high);
    this.slider.value = Math.round((low + high) / 2);
    this.tell();
  }

  tell() {
    const place = Number(this.slider.value);
    const [low, high] = AXES[this.axis.value];
    this.text.textContent = `${Math.abs(place).toFixed(1)} mm ${letter(place < 0 ? low : high)}`;
  }

  apply() {
    const place = Number(this.slider.value);
    const normal = new THREE.Vector3();
    const sign = this.flip.checked ? -1 : 1;
    normal[this.axis.value] = sign;
    this.tell();
    this.stage.cut(this.on.checked, normal, -sign * place);
  }
}

// ---- ruler

class Ruler {
  constructor(looking, marks, note) {
    this.looking = looking;
    this.marks = marks;
    this.note = note;
    this.points = [];
    this.button = make("button", { type: "button", id: "ruler", "aria-pressed": "false", text: words.ruler, onclick: () => this.toggle() });
    this.result = make("output", { class: "detail", id: "ruler-text" });
  }

  build() { return make("div", { class: "row" }, this.button, this.result); }

  toggle() {
    const on = this.button.getAttribute("aria-pressed") !== "true";
    this.button.setAttribute("aria-pressed", String(on));
    this.looking.onClick = on ? (x, y) => this.place(x, y) : null;
    this.points = [];
    this.result.textContent = "";
    this.marks.show("ruler", null);
    this.note.textContent = on ? words.ruler_first : "";
  }

  place(x, y) {
    const point = this.looking.pickAt(x, y);
    if (point === null) {
      this.note.textContent = words.ruler_missed;
      return;
    }
    if (this.points.length === 2) this.points = [];
    this.points.push(point);
    this.note.textContent = this.points.length === 1 ? words.ruler_second : words.ruler_first;
    this.show();
  }

  show() {
    const points = this.points.map((point) => point.toArray());
    const whole = points.length === 2;
    const text = whole ? `≈ ${this.points[0].distanceTo(this.points[1]).toFixed(1)} mm` : "";
    this.result.textContent = whole ? `${text} · ${words.ruler_note}` : "";
    this.marks.show("ruler", { lines: whole ? [points] : [], points, label: text, at: points[points.length - 1], color: "#35c2b0" });
  }
}
