-- Works, and keeps nothing.
while true do
  local rows = {}
  for i = 1, 3000 do rows[i] = { i, tostring(i) .. string.rep("x", 100) } end
  os.execute("sleep 0.3")
end
