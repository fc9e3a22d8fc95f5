-- ends: refused
coroutine.yield()
