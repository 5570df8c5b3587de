// Looking around: a parallel projection, so that the scale bar holds at every depth.

const SIDES = {
  A: { towards: [0, -1, 0], up: [0, 0, 1] },
  P: { towards: [0, 1, 0], up: [0, 0, 1] },
  L: { towards: [1, 0, 0], up: [0, 0, 1] },
  R: { towards: [-1, 0, 0], up: [0, 0, 1] },
  S: { towards: [0, 0, 1], up: [0, -1, 0] },
  I: { towards: [0, 0, -1], up: [0, -1, 0] },
};
const TURN = 0.008; // radians for a pixel
const NEAREST_MM = 2;
const BESIDE_PX = { across: 70, high: 120 }; // buttons, letters and the scale bar stand there

class Looking {
  constructor(stage, view, canvas) {
    this.stage = stage;
    this.view = view;
    this.canvas = canvas;
    this.turn = new THREE.Quaternion();
    this.centre = new THREE.Vector3();
    this.halfHeight = 200;
    this.pointers = new Map();
    this.moved = 0;
    this.onClick = null;
    this.listen();
    new ResizeObserver(() => this.resize()).observe(view);
    this.resize();
  }

  get width() { return Math.max(this.view.clientWidth, 1); }
  get height() { return Math.max(this.view.clientHeight, 1); }
  get millimetresPerPixel() { return (2 * this.halfHeight) / this.height; }

  axis(x, y, z) { return new THREE.Vector3(x, y, z).applyQuaternion(this.turn); }

  resize() {
    this.stage.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.stage.renderer.setSize(this.width, this.height, false);
    this.apply();
  }

  from(side) {
    const towards = new THREE.Vector3(...SIDES[side].towards);
    const up = new THREE.Vector3(...SIDES[side].up);
    const right = new THREE.Vector3().crossVectors(up, towards);
    this.turn.setFromRotationMatrix(new THREE.Matrix4().makeBasis(right, up, towards));
    this.fit();
  }

  fit() {
    const box = this.stage.visibleBox();
    box.getCenter(this.centre);
    const [right, up] = [this.axis(1, 0, 0), this.axis(0, 1, 0)];
    let [across, high] = [1, 1];
    for (let k = 0; k < 8; k += 1) {
      const corner = new THREE.Vector3(k & 1 ? box.max.x : box.min.x, k & 2 ? box.max.y : box.min.y, k & 4 ? box.max.z : box.min.z);
      corner.sub(this.centre);
      across = Math.max(across, Math.abs(corner.dot(right)));
      high = Math.max(high, Math.abs(corner.dot(up)));
    }
    const free = (size, taken) => Math.max(size - taken, size / 2);
    this.halfHeight = this.height * Math.max(high / free(this.height, BESIDE_PX.high), across / free(this.width, BESIDE_PX.across));
    this.apply();
  }

  apply() {
    const { camera } = this.stage;
    const reach = this.stage.box ? this.stage.box.getSize(new THREE.Vector3()).length() * 2 + 200 : 2000;
    const halfWidth = (this.halfHeight * this.width) / this.height;
    Object.assign(camera, { left: -halfWidth, right: halfWidth, top: this.halfHeight, bottom: -this.halfHeight, near: 0, far: 2 * reach });
    camera.quaternion.copy(this.turn);
    camera.position.copy(this.centre).addScaledVector(this.axis(0, 0, 1), reach);
    camera.updateProjectionMatrix();
    camera.updateMatrixWorld();
    this.stage.ask();
  }

  rotate(dx, dy) {
    const about = (x, y, angle) => new THREE.Quaternion().setFromAxisAngle(new THREE.Vector3(x, y, 0), angle);
    this.turn.multiply(about(0, 1, -dx * TURN)).multiply(about(1, 0, -dy * TURN)).normalize();
    this.apply();
  }

  pan(dx, dy) {
    const scale = this.millimetresPerPixel;
    this.centre.addScaledVector(this.axis(1, 0, 0), -dx * scale).addScaledVector(this.axis(0, 1, 0), dy * scale);
    this.apply();
  }

  zoom(factor) {
    const most = this.stage.box.getSize(new THREE.Vector3()).length() * 4 + 100;
    this.halfHeight = Math.min(Math.max(this.halfHeight * factor, NEAREST_MM), most);
    this.apply();
  }

  // Pixels from the top left corner of the view.
  toScreen(point) {
    const offset = point.clone().sub(this.centre);
    const scale = 1 / this.millimetresPerPixel;
    return [this.width / 2 + offset.dot(this.axis(1, 0, 0)) * scale, this.height / 2 - offset.dot(this.axis(0, 1, 0)) * scale];
  }

  pickAt(x, y) { return this.stage.pick((2 * x) / this.width - 1, 1 - (2 * y) / this.height); }

  listen() {
    const { canvas, pointers } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
      pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, button: event.button });
      if (pointers.size === 1) this.moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => this.dragged(event));
    const released = (event) => {
      const pointer = pointers.get(event.pointerId);
      pointers.delete(event.pointerId);
      if (event.type === "pointerup" && pointer && pointer.button === 0 && this.moved < 4 && this.onClick) {
        const frame = canvas.getBoundingClientRect();
        this.onClick(event.clientX - frame.left, event.clientY - frame.top);
      }
    };
    canvas.addEventListener("pointerup", released);
    canvas.addEventListener("pointercancel", released);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.0015));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  dragged(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    const [dx, dy] = [event.clientX - pointer.x, event.clientY - pointer.y];
    this.moved += Math.abs(dx) + Math.abs(dy);
    if (this.pointers.size === 1) {
      if (pointer.button !== 0 || event.shiftKey) this.pan(dx, dy);
      else this.rotate(dx, dy);
    } else {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      this.pan(dx / 2, dy / 2);
      if (before > 10 && after > 10) this.zoom(before / after);
    }
    Object.assign(pointer, { x: event.clientX, y: event.clientY });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const side = event.key.toUpperCase();
    if (event.key in arrows) {
      const [dx, dy] = arrows[event.key];
      if (event.shiftKey) this.pan(dx * 20, dy * 20);
      else this.rotate(dx * 16, dy * 16);
    } else if (event.key === "+" || event.key === "=") this.zoom(0.85);
    else if (event.key === "-") this.zoom(1 / 0.85);
    else if (event.key === "0") this.fit();
    else if (side in SIDES) this.from(side);
    else return;
    event.preventDefault();
  }
}
