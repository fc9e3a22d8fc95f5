-- ends: refused must return
return 7
