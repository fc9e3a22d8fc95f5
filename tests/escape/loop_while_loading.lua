-- ends: refused took longer
while true do end
