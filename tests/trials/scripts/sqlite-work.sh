# Asks a table in memory again and again.
while :; do
  echo 'select count(*) from t a, (select 1 union select 2);'
  sleep 0.3
done | sqlite3 -init "$(dirname "$0")/load.sql" :memory:
