// What the file carries: the twin's description, and its meshes as base64.

const twin = JSON.parse(document.getElementById("twin").textContent);
const words = twin.words;

function say(name, values) {
  return words[name].replace(/\{(\w+)\}/g, (whole, key) => (values && key in values ? String(values[key]) : whole));
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
  return bytes.buffer;
}

// Points are float32, or uint16 steps along each axis from the lowest corner; LPS mm.
function pointsOf(mesh) {
  if (mesh.step === null) return new Float32Array(bytesOf(mesh.points));
  const steps = new Uint16Array(bytesOf(mesh.points));
  const points = new Float32Array(steps.length);
  for (let k = 0; k < steps.length; k += 1) points[k] = mesh.low[k % 3] + steps[k] * mesh.step[k % 3];
  return points;
}

function geometryOf(mesh) {
  const geometry = new THREE.BufferGeometry();
  const buffer = bytesOf(mesh.triangles);
  const index = mesh.wide ? new Uint32Array(buffer) : new Uint16Array(buffer);
  geometry.setAttribute("position", new THREE.BufferAttribute(pointsOf(mesh), 3));
  geometry.setIndex(new THREE.BufferAttribute(index, 1));
  geometry.computeVertexNormals();
  geometry.computeBoundingBox();
  geometry.computeBoundingSphere();
  return geometry;
}
