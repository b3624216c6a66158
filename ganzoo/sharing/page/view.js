// Samples on a canvas: images as pixels, series as curves, vectors as a point among others.

const SIDE = 240;

export function size(shape) {
  return shape.slice(1).reduce((product, side) => product * side, shape[0]);
}

export function show(canvas, told, sample, cloud) {
  const context = canvas.getContext("2d");
  if (told.kind === "images") images(canvas, context, told.shape, sample);
  else if (told.kind === "series") series(canvas, context, told.shape, sample);
  else vectors(canvas, context, told.shape[0], sample, cloud);
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

function clear(canvas, context) {
  canvas.width = SIDE;
  canvas.height = SIDE;
  canvas.classList.remove("pixels");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SIDE, SIDE);
}

function series(canvas, context, [channels, length], sample) {
  clear(canvas, context);
  const most = Math.max(1e-6, ...sample.map(Math.abs));
  for (let c = 0; c < channels; c++) {
    context.strokeStyle = ["#0b5cad", "#c2410c", "#15803d", "#7e22ce"][c % 4];
    context.lineWidth = 1.5;
    context.beginPath();
    for (let i = 0; i < length; i++) {
      const x = 6 + (i / Math.max(1, length - 1)) * (SIDE - 12);
      const y = SIDE / 2 - (sample[c * length + i] / most) * (SIDE / 2 - 8);
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    }
    context.stroke();
  }
}

function vectors(canvas, context, width, sample, cloud) {
  clear(canvas, context);
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
  const at = (value, axis) => ((value - ranges[axis][0]) / (ranges[axis][1] - ranges[axis][0])) * SIDE;
  const point = (values, offset, radius) => {
    const x = at(values[offset], 0);
    const y = width > 1 ? SIDE - at(values[offset + 1], 1) : SIDE / 2;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  };
  context.fillStyle = "#9aa7b5";
  for (let i = 0; i < n; i++) point(cloud, i * width, 1.5);
  context.fillStyle = "#b91c1c";
  point(sample, 0, 6);
}

export function values(told, sample) {
  if (told.kind !== "vectors") return "";
  const few = Array.from(sample.slice(0, 12), (value) => value.toPrecision(4)).join(", ");
  return few + (sample.length > 12 ? ", …" : "");
}
