// Latent vectors: drawn, walked from, gone between.

export function draw(told) {
  if (told.pool.length) return Float32Array.from(told.pool[Math.floor(Math.random() * told.pool.length)]);
  const z = new Float32Array(told.z_dim);
  for (let i = 0; i < z.length; i++) {
    z[i] = told.z === "uniform" ? Math.random() * 2 - 1 : normal();
  }
  return z;
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

// z, and so far along each direction; where z has bounds, it stays within them.
export function walked(z, directions, steps, told) {
  const moved = Float32Array.from(z);
  directions.forEach((direction, k) => {
    if (steps[k]) direction.forEach((part, i) => { moved[i] += steps[k] * part; });
  });
  return told.z === "uniform" ? moved.map((x) => Math.max(-1, Math.min(1, x))) : moved;
}

// From a (t = 0) to b (t = 1) along the arc between them, lengths going over too, as ganzoo interpolates.
export function between(a, b, t) {
  const dot = (x, y) => x.reduce((sum, part, i) => sum + part * y[i], 0);
  const cosine = dot(a, b) / Math.max(1e-8, Math.sqrt(dot(a, a) * dot(b, b)));
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
  const sine = Math.sin(angle);
  const straight = Math.abs(sine) < 1e-3;
  const first = straight ? 1 - t : Math.sin((1 - t) * angle) / sine;
  const second = straight ? t : Math.sin(t * angle) / sine;
  return a.map((part, i) => first * part + second * b[i]);
}
