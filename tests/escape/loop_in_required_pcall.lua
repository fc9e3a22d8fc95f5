-- ends: refused took longer
pcall(function() while true do end end)
return { handler = print }
