# Works, and keeps nothing.
loop do
  rows = Array.new(3000) { |i| { i => "x" * 200 } }
  rows.clear
  sleep 0.3
end
