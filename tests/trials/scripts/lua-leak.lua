-- Keeps tables in a table.
local kept = {}
while true do
  for i = 1, 1500 do kept[#kept + 1] = { i, tostring(i) .. string.rep("x", 100) } end
  os.execute("sleep 0.5")
end
