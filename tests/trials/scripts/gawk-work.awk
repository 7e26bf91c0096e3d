# Counts words, and keeps nothing.
BEGIN { while (1) { delete seen; for (i = 0; i < 2000; i++) seen[i] = sprintf("%0200d", i); system("sleep 0.3") } }
