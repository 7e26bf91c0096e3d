# Fills a table in memory.
{
  echo 'create table t(a, b);'
  while :; do
    echo 'insert into t with recursive c(x) as (select 1 union all select x+1 from c where x<400) select x, hex(randomblob(100)) from c;'
    sleep 0.4
  done
} | sqlite3 :memory:
