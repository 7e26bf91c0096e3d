"""How near replays are: real programs are recorded with working sets, and their traces run on the model.

python benchmarks/replay.py [PROGRAM ...]

Each runs for ten seconds or so. A row: size, its kinds, minor faults and working set, how far off each is (`memtwin
replay --check`), for every process that had 8 MiB. What is not installed is left out, and said.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MEMTWIN = (sys.executable, "-m", "memtwin")
LEAST_BYTES = 8 << 20
MOST_S = 300
LINES = 4_000_000
SQL = """pragma cache_size=-400000;
create table t(a integer primary key, b text, c integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000)
insert into t(b, c) select hex(randomblob(20)), abs(random()) % 100000 from n;
commit;
create index i on t(c);
select sum(length(b)) from t where c % 7 = 1;
select count(*) from (select distinct substr(b, 1, 4) from t);
"""
NUMPY = """
import numpy as np, time
begin, matrix, kept = time.time(), np.random.rand(900, 900), []
while time.time() - begin < 14:
    matrix = matrix @ matrix
    matrix /= abs(matrix).max()
    kept = [*kept, matrix[:200].copy()][-40:]
"""
SETS = """
import random, socket, time
stream = socket.create_connection(("127.0.0.1", 7912)).makefile("rwb")
draw, begin = random.Random(2), time.time()
while time.time() - begin < 12:
    for _ in range(300):
        value = b"x" * draw.randrange(50, 900)
        stream.write(b"set k%d 0 0 %d noreply\\r\\n%s\\r\\n" % (draw.randrange(200000), len(value), value))
    stream.write(b"get k1\\r\\n")
    stream.flush()
    while stream.readline() != b"END\\r\\n":
        pass
"""
GETS = """
import random, time, urllib.request
begin = time.time()
while time.time() - begin < 10:
    page = f"http://127.0.0.1:7913/f{random.randrange(300)}"
    urllib.request.urlopen(urllib.request.Request(page, headers={"Accept-Encoding": "gzip"})).read()
"""
SERVER = "%s & server=$!; sleep 0.5; %s; kill $server; wait $server"
HASH = 'my %h; $h{$_} = "value $_" for 1..500000; for (1..1500000) { $h{1 + int rand 500000} .= "x" }'
RUBY = 'a = {}; 60.times { |r| 150000.times { |i| a[i] = "x#{i * r}" }; GC.start; sleep 0.2 }'
NODE = """let kept = []; const begin = Date.now();
(function work() {
    for (let i = 0; i < 3000; i++) kept.push({i, s: "v" + i * 7, a: [i, i + 1]});
    if (kept.length > 400000) kept = kept.slice(200000);
    if (Date.now() - begin < 10000) setImmediate(work);
})()"""
FUNCTION = """int f%d(int a, int b) { int c[64], s = 0; for (int j = 0; j < 64; j++) c[j] = a * j + b * %d;
for (int j = 0; j < 64; j++) s += c[j] ^ (s << 1); switch (a %% 5) { case 0: return s + b; case 1: return s * b;
case 2: return s - a; default: return s ^ b; } }
"""


def programs(where: Path) -> dict[str, list[str]]:
    """Write what the programs read; return their command lines."""
    draw = random.Random(1)
    lines = where / "lines.txt"
    with lines.open("w") as file:
        file.writelines(f"{draw.randrange(10**9)} {draw.randrange(10**6)}\n" for _ in range(LINES))
    (where / "many.c").write_text("".join(FUNCTION % (number, number) for number in range(3000)))
    (where / "load.sql").write_text(SQL)
    (where / "www").mkdir()
    for number in range(300):
        (where / "www" / f"f{number}").write_bytes(draw.randbytes(1 << 18))
    paths = "".join(
        f"{kind}_temp_path {where}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (where / "nginx.conf").write_text(
        f"daemon off; user root; pid {where}/pid; error_log {where}/errors; worker_processes 2; events {{}} "
        f"http {{ access_log off; {paths} gzip on; gzip_types *; gzip_comp_level 6; gzip_buffers 64 64k; "
        f"server {{ listen 127.0.0.1:7913; root {where}/www; }} }}"
    )
    python = sys.executable
    redis = "redis-server --port 7911 --bind 127.0.0.1 --save '' > /dev/null"
    load = "timeout 14 redis-benchmark -p 7911 -t set,get,lpush,hset -r 300000 -n 2000000 -d 64 -q -P 8 > /dev/null"
    return {
        "sort": ["sort", "-S", "60M", "-n", "-o", os.devnull, str(lines)],
        "sqlite3": ["sh", "-c", f"exec sqlite3 :memory: < {where}/load.sql > /dev/null"],
        "gcc": ["gcc", "-O2", "-c", "-o", os.devnull, str(where / "many.c")],
        "numpy": [shutil.which("python3") or "python3", "-c", NUMPY],
        "redis-server": ["sh", "-c", SERVER % (redis, load)],
        "memcached": ["sh", "-c", SERVER % ("memcached -u root -l 127.0.0.1 -p 7912", f"{python} -c '{SETS}'")],
        "nginx": ["sh", "-c", SERVER % (f"nginx -c {where}/nginx.conf", f"{python} -c '{GETS}'")],
        "perl": ["perl", "-e", HASH],
        "xz": ["sh", "-c", f"exec xz -6 -T1 -c {lines} | head -c 5M > /dev/null"],
        "ruby": ["ruby", "-e", RUBY],
        "node": ["node", "-e", NODE],
        "gawk": ["gawk", "{ a[$2] = a[$2] $1 } END { for (k in a) n += length(a[k]); print n }", str(lines)],
    }


def rows(trace: Path, command: list[str]) -> list[dict[str, float]]:
    """Record a program, replay it, and return how near each process of its was."""
    words = ("record", "-o", str(trace), "--every", "0.2s", "--working-set", "1s", "--", *command)
    subprocess.run((*MEMTWIN, *words), check=True, capture_output=True, timeout=MOST_S)
    checked = subprocess.run(
        (*MEMTWIN, "replay", str(trace), "--check", "--json"), check=True, capture_output=True, timeout=MOST_S
    )
    found: list[dict[str, float]] = json.loads(checked.stdout)["data"]
    return [row for row in found if row["peak_bytes"] >= LEAST_BYTES]


def main() -> None:
    """Print a table of all, or of some programs."""
    print("| program | process | peak | RSS | anonymous | files | minor faults | working set |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        known = programs(Path(name))
        for program in sys.argv[1:] or known:
            if not shutil.which("python3" if program == "numpy" else program):
                print(f"| {program} | not installed | | | | | | |")
                continue
            for row in rows(Path(name) / f"{program}.trace", known[program]):
                shares = [f"{row[f'{kind}_off_percent']:.1f} %" for kind in ("rss", "anon", "file")]
                faults, own, working = row["faults"], row["faults_in_model"], row["working_set_off_percent"]
                shares += [f"{100 * abs(own / faults - 1):.1f} % of {faults:,}" if faults else ""]
                shares += ["" if working is None else f"{working:.1f} %"]
                cells = (program, row["name"], f"{int(row['peak_bytes']) >> 20} MB", *shares)
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
