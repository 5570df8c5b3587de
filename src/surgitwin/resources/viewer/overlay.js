// What lies over the picture: letters of the sides, the orientation figure, the scale bar, measurements and numbers.

const SVG = "http://www.w3.org/2000/svg";
const FIGURE_PX = 96;
const LETTERS = { L: [1, 0, 0], R: [-1, 0, 0], P: [0, 1, 0], A: [0, -1, 0], S: [0, 0, 1], I: [0, 0, -1] };
// Ellipsoids as [centre, half axes] in LPS: a person who stands and faces anterior.
const FIGURE = [
  [[0, 0, 0.92], [0.2, 0.22, 0.24]], [[0, -0.2, 0.9], [0.05, 0.09, 0.05]], [[0, 0, 0.64], [0.09, 0.09, 0.14]],
  [[0, 0, 0.28], [0.36, 0.22, 0.38]], [[0, 0, -0.12], [0.29, 0.2, 0.24]], [[0.17, 0, -0.58], [0.13, 0.14, 0.46]],
  [[-0.17, 0, -0.58], [0.13, 0.14, 0.46]], [[0.17, -0.12, -1.03], [0.1, 0.22, 0.07]],
  [[-0.17, -0.12, -1.03], [0.1, 0.22, 0.07]], [[0.46, -0.02, 0.14], [0.09, 0.1, 0.42]], [[-0.46, -0.02, 0.14], [0.09, 0.1, 0.42]],
];

function svg(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function letter(name) { return twin.side_known ? name : `${name}?`; }

class Figure {
  constructor(stage, looking, holder) {
    this.stage = stage;
    this.looking = looking;
    this.scene = new THREE.Scene();
    this.camera = new THREE.OrthographicCamera(-1.75, 1.75, 1.75, -1.75, 0, 20);
    this.scene.add(this.camera, new THREE.AmbientLight(0xffffff, 1.2));
    const light = new THREE.DirectionalLight(0xffffff, 2);
    light.target = this.camera;
    light.position.set(-0.4, 0.6, 1);
    this.camera.add(light);
    const material = new THREE.MeshLambertMaterial({ color: stage.colours.figure });
    for (const [centre, axes] of FIGURE) {
      const part = new THREE.Mesh(new THREE.SphereGeometry(1, 20, 14), material);
      part.position.set(...centre);
      part.scale.set(...axes);
      this.scene.add(part);
    }
    this.letters = Object.keys(LETTERS).map((name) => {
      const element = document.createElement("span");
      element.textContent = letter(name);
      holder.append(element);
      return [name, element];
    });
    stage.after.push(() => this.draw());
  }

  draw() {
    const { renderer } = this.stage;
    const { turn, width, height } = this.looking;
    this.camera.quaternion.copy(turn);
    this.camera.position.set(0, 0, 10).applyQuaternion(turn);
    const [left, bottom] = [width - FIGURE_PX - 12, 12];
    renderer.setViewport(left, bottom, FIGURE_PX, FIGURE_PX);
    renderer.setScissor(left, bottom, FIGURE_PX, FIGURE_PX);
    renderer.setScissorTest(true);
    renderer.clearDepth();
    renderer.render(this.scene, this.camera);
    renderer.setScissorTest(false);
    const scale = FIGURE_PX / 3.5;
    const away = turn.clone().invert();
    for (const [name, element] of this.letters) {
      const place = new THREE.Vector3(...LETTERS[name]).multiplyScalar(1.45).applyQuaternion(away);
      element.style.left = `${left + FIGURE_PX / 2 + place.x * scale}px`;
      element.style.top = `${height - bottom - FIGURE_PX / 2 - place.y * scale}px`;
      element.style.opacity = Math.abs(place.z) > 1.2 ? 0 : 1;
    }
  }
}

// The side of the patient that each edge of the picture shows; two letters where it is oblique.
class Sides {
  constructor(looking, holder) {
    this.looking = looking;
    this.edges = [["right", [1, 0, 0]], ["left", [-1, 0, 0]], ["top", [0, 1, 0]], ["bottom", [0, -1, 0]]].map(([name, axis]) => {
      const element = document.createElement("span");
      element.className = `side ${name}`;
      holder.append(element);
      return [element, axis];
    });
  }

  draw() {
    for (const [element, axis] of this.edges) {
      const way = this.looking.axis(...axis);
      const found = Object.entries(LETTERS)
        .map(([name, towards]) => [name, way.dot(new THREE.Vector3(...towards))])
        .filter(([, share]) => share > 0.35)
        .sort((one, other) => other[1] - one[1]);
      element.textContent = letter(found.slice(0, 2).map(([name]) => name).join(""));
    }
  }
}

function drawScale(looking) {
  const most = Math.min(160, looking.width * 0.3) * looking.millimetresPerPixel;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((k) => k * power).find((k) => k <= most) ?? power;
  document.getElementById("scale-bar").style.width = `${length / looking.millimetresPerPixel}px`;
  document.getElementById("scale-text").textContent = length >= 10 ? `${length / 10} cm` : `${length} mm`;
}

// Lines and points over the picture, always in front, so that none is missed.
class Marks {
  constructor(looking, canvas) {
    this.looking = looking;
    this.canvas = canvas;
    this.shown = new Map();
  }

  show(id, mark) {
    if (mark === null) this.shown.delete(id);
    else this.shown.set(id, mark);
    this.looking.stage.ask();
  }

  draw() {
    this.canvas.replaceChildren();
    this.canvas.setAttribute("viewBox", `0 0 ${this.looking.width} ${this.looking.height}`);
    for (const mark of this.shown.values()) this.drawOne(mark);
  }

  drawOne({ lines, points, label, at, color, filled, radius_mm }) {
    const place = (point) => this.looking.toScreen(new THREE.Vector3(...point));
    for (const line of lines) {
      const path = line.map((point) => place(point).map((v) => v.toFixed(1)).join(",")).join(" ");
      if (filled) svg(this.canvas, "polygon", { points: path, class: "mark-area", fill: color });
      svg(this.canvas, "polyline", { points: path, class: "mark-under" });
      svg(this.canvas, "polyline", { points: path, class: "mark-line", stroke: color });
    }
    if (radius_mm) { // a parallel projection shows a sphere as a circle of its radius
      const [cx, cy] = place(at);
      const r = radius_mm / this.looking.millimetresPerPixel;
      svg(this.canvas, "circle", { cx, cy, r, class: "mark-under" });
      svg(this.canvas, "circle", { cx, cy, r, class: "mark-line", stroke: color });
    }
    for (const point of points) {
      const [cx, cy] = place(point);
      svg(this.canvas, "circle", { cx, cy, r: 4, class: "mark-point", fill: color });
    }
    if (!label || !at) return;
    const [x, y] = place(at);
    const text = svg(this.canvas, "text", { x: x + 9, y: y - 9, class: "mark-text" }, label);
    const wide = text.getComputedTextLength();
    if (x + 9 + wide > this.looking.width - 4) text.setAttribute("x", Math.max(4, Math.min(x - 9, this.looking.width - 4) - wide));
  }
}
