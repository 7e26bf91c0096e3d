// Keeps buffers, which lie outside of the heap of V8.
const kept = []; setInterval(() => { for (let i = 0; i < 40; i++) kept.push(Buffer.alloc(4096, 1)) }, 300)
