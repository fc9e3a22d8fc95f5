-- ends: refused there is no such file
require("../../../etc/passwd")
