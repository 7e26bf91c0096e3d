// Keeps objects.
const kept = []; setInterval(() => { for (let i = 0; i < 2000; i++) kept.push({ a: i, b: "x" + i, c: [i, i, i] }) }, 300)
