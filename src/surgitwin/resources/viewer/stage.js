// The scene in 3D. Its coordinates are the patient's: LPS millimetres, right-handed, nothing is mirrored.

const CAP_ORDER = 1; // the faces of the cut are drawn after what is opaque ...
const GLASS_ORDER = 1000; // ... and before what one sees through
const OPAQUE = 0.995;

class Stage {
  constructor(canvas, colours) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, stencil: true, alpha: false });
    this.renderer.localClippingEnabled = true;
    this.renderer.autoClear = false;
    this.scene = new THREE.Scene();
    this.colours = colours;
    this.camera = new THREE.OrthographicCamera(-1, 1, 1, -1, -1, 1);
    this.scene.add(this.camera);
    const light = new THREE.DirectionalLight(0xffffff, 2.3);
    light.position.set(-0.3, 0.4, 1);
    light.target = this.camera;
    this.camera.add(light);
    this.scene.add(new THREE.AmbientLight(0xffffff, 1.0));
    this.items = new Map();
    this.plane = new THREE.Plane(new THREE.Vector3(-1, 0, 0), 0);
    this.cutting = false;
    this.after = [];
    this.asked = false;
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.ask());
  }

  add(item, mesh) {
    const geometry = geometryOf(mesh);
    const colour = new THREE.Color().setRGB(...item.color.map((v) => v / 255), THREE.SRGBColorSpace);
    const material = new THREE.MeshPhongMaterial({ color: colour, specular: 0x1c1c1c, shininess: 28, side: THREE.DoubleSide });
    const body = new THREE.Mesh(geometry, material);
    this.scene.add(body);
    const entry = { item, body, material, colour, opacity: item.opacity, visible: item.visible, volume: mesh.volume_ml, cap: null };
    if (mesh.closed) entry.cap = this.makeCap(geometry, colour);
    this.items.set(item.id, entry);
  }

  // A closed surface that is cut shows the inside of a solid: where a ray meets more backs than fronts, the plane is
  // within the body.
  makeCap(geometry, colour) {
    const counters = [
      [THREE.BackSide, THREE.IncrementWrapStencilOp],
      [THREE.FrontSide, THREE.DecrementWrapStencilOp],
    ].map(([side, operation]) => {
      const material = new THREE.MeshBasicMaterial({
        side, transparent: true, colorWrite: false, depthWrite: false, depthTest: false, clippingPlanes: [this.plane],
        stencilWrite: true, stencilFunc: THREE.AlwaysStencilFunc,
        stencilFail: operation, stencilZFail: operation, stencilZPass: operation,
      });
      const counter = new THREE.Mesh(geometry, material);
      this.scene.add(counter);
      return counter;
    });
    const face = new THREE.Mesh(
      new THREE.PlaneGeometry(1, 1),
      new THREE.MeshBasicMaterial({
        color: colour.clone().multiplyScalar(0.85), side: THREE.DoubleSide, transparent: true,
        stencilWrite: true, stencilRef: 0, stencilFunc: THREE.NotEqualStencilFunc,
        stencilFail: THREE.ReplaceStencilOp, stencilZFail: THREE.ReplaceStencilOp, stencilZPass: THREE.ReplaceStencilOp,
      }),
    );
    face.onAfterRender = (renderer) => renderer.clearStencil();
    this.scene.add(face);
    return { counters, face };
  }

  finish() {
    this.box = new THREE.Box3();
    for (const { body } of this.items.values()) this.box.union(body.geometry.boundingBox);
    if (this.box.isEmpty()) this.box.set(new THREE.Vector3(-100, -100, -100), new THREE.Vector3(100, 100, 100));
    this.refresh();
  }

  visibleBox() {
    const box = new THREE.Box3();
    for (const entry of this.items.values()) if (entry.visible && entry.opacity > 0) box.union(entry.body.geometry.boundingBox);
    return box.isEmpty() ? this.box.clone() : box;
  }

  set(id, look) {
    Object.assign(this.items.get(id), look);
    this.refresh();
  }

  cut(on, normal, constant) {
    this.cutting = on;
    this.plane.normal.copy(normal);
    this.plane.constant = constant;
    this.refresh();
  }

  // Large bodies first: the faces of what lies within them come on top; and of what one sees through, what lies within
  // is drawn first.
  refresh() {
    const entries = [...this.items.values()].sort((one, other) => other.volume - one.volume);
    const size = this.box.getSize(new THREE.Vector3()).length() * 1.5;
    entries.forEach((entry, place) => {
      const { body, material, cap } = entry;
      const shown = entry.visible && entry.opacity > 0;
      const glass = entry.opacity < OPAQUE;
      body.visible = shown;
      body.renderOrder = glass ? GLASS_ORDER + entries.length - place : 0;
      if (material.transparent !== glass) material.needsUpdate = true;
      material.transparent = glass;
      material.opacity = entry.opacity;
      material.depthWrite = !glass;
      material.clippingPlanes = this.cutting ? [this.plane] : null;
      if (cap === null) return;
      cap.counters.forEach((counter, k) => {
        counter.visible = shown && this.cutting;
        counter.renderOrder = CAP_ORDER + place + 0.1 + 0.1 * k;
      });
      cap.face.visible = shown && this.cutting;
      cap.face.renderOrder = CAP_ORDER + place + 0.3;
      cap.face.material.opacity = glass ? Math.max(0.3, entry.opacity) : 1;
      cap.face.material.depthWrite = !glass;
      const centre = this.plane.projectPoint(this.box.getCenter(new THREE.Vector3()), new THREE.Vector3());
      cap.face.position.copy(centre);
      cap.face.lookAt(centre.clone().add(this.plane.normal));
      cap.face.scale.set(size, size, 1);
    });
    this.ask();
  }

  // The place on what is seen under a point of the picture, from -1 to 1, or null. Of a body that is cut open one sees
  // the face of the cut, not the wall behind it.
  pick(x, y) {
    const caster = new THREE.Raycaster();
    caster.setFromCamera(new THREE.Vector2(x, y), this.camera);
    const seen = [...this.items.values()].filter((e) => e.visible && e.opacity > 0.2);
    const hits = caster.intersectObjects(seen.map((e) => e.body), false);
    const kept = hits.find(({ point }) => !this.cutting || this.plane.distanceToPoint(point) >= 0);
    const face = this.cutting ? caster.ray.intersectPlane(this.plane, new THREE.Vector3()) : null;
    if (face !== null) {
      const away = face.distanceTo(caster.ray.origin);
      const beyond = (body) => hits.filter((hit) => hit.object === body && hit.distance > away).length;
      const within = seen.some((e) => e.cap !== null && beyond(e.body) % 2 === 1);
      if (within && (!kept || away < kept.distance)) return face;
    }
    return kept ? kept.point.clone() : null;
  }

  ask() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.draw();
    });
  }

  draw() {
    const size = this.renderer.getSize(new THREE.Vector2());
    this.renderer.setViewport(0, 0, size.x, size.y);
    this.renderer.setClearColor(this.colours.scene, 1);
    this.renderer.clear();
    this.renderer.render(this.scene, this.camera);
    for (const step of this.after) step();
  }
}
