# Remembers each line that it has seen.
BEGIN { while (1) { for (i = 0; i < 500; i++) seen[n++] = sprintf("%0400d", n); system("sleep 0.5") } }
