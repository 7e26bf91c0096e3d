# Keeps strings in an array.
kept = []
loop do
  400.times { |i| kept << ("x" * 600 + i.to_s) }
  sleep 0.5
end
