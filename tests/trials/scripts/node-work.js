// Works, and keeps nothing.
setInterval(() => { const rows = []; for (let i = 0; i < 3000; i++) rows.push({ i, s: "x" + i }) }, 200)
