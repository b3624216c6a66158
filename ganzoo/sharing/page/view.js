// Samples on a canvas: images as pixels, series as curves, vectors as a point among others.

export const THUMB = 96;

export function size(shape) {
  return shape.slice(1).reduce((product, side) => product * side, shape[0]);
}

// What is drawn as lines and points is `side` pixels wide.
export function show(canvas, told, sample, cloud, side = 320) {
  const context = canvas.getContext("2d");
  if (told.kind === "images") images(canvas, context, told.shape, sample);
  else if (told.kind === "series") series(canvas, context, told.shape, sample, side);
  else vectors(canvas, context, told.shape[0], sample, cloud, side);
}

function images(canvas, context, [channels, height, width], sample) {
  canvas.width = width;
  canvas.height = height;
  canvas.classList.add("pixels");
  const pixels = context.createImageData(width, height);
  const area = height * width;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      pixels.data[4 * i + c] = Math.round(127.5 * sample[(channels === 1 ? 0 : c) * area + i] + 127.5);
    }
    pixels.data[4 * i + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}

function clear(canvas, context, side) {
  canvas.width = side;
  canvas.height = side;
  canvas.classList.remove("pixels");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, side, side);
}

function series(canvas, context, [channels, length], sample, side) {
  clear(canvas, context, side);
  const most = Math.max(1e-6, ...sample.map(Math.abs));
  for (let c = 0; c < channels; c++) {
    context.strokeStyle = ["#0b5cad", "#c2410c", "#15803d", "#7e22ce"][c % 4];
    context.lineWidth = 1.5;
    context.beginPath();
    for (let i = 0; i < length; i++) {
      const x = 6 + (i / Math.max(1, length - 1)) * (side - 12);
      const y = side / 2 - (sample[c * length + i] / most) * (side / 2 - 8);
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    }
    context.stroke();
  }
}

function vectors(canvas, context, width, sample, cloud, side) {
  clear(canvas, context, side);
  const n = cloud.length / width;
  const ranges = [0, Math.min(1, width - 1)].map((axis) => {
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < n; i++) {
      low = Math.min(low, cloud[i * width + axis]);
      high = Math.max(high, cloud[i * width + axis]);
    }
    const room = 0.1 * Math.max(1e-6, high - low);
    return [low - room, high + room];
  });
  const at = (value, axis) => ((value - ranges[axis][0]) / (ranges[axis][1] - ranges[axis][0])) * side;
  const point = (values, offset, radius) => {
    const x = at(values[offset], 0);
    const y = width > 1 ? side - at(values[offset + 1], 1) : side / 2;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  };
  context.fillStyle = "#9aa7b5";
  for (let i = 0; i < n; i++) point(cloud, i * width, side > THUMB ? 2 : 1);
  context.fillStyle = "#b91c1c";
  point(sample, 0, side > THUMB ? 7 : 5);
}

export function values(told, sample) {
  if (told.kind !== "vectors") return "";
  const few = Array.from(sample.slice(0, 12), (value) => value.toPrecision(4)).join(", ");
  return few + (sample.length > 12 ? ", …" : "");
}
