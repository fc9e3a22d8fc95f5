-- ends: refused only be called while the handler runs
mqtt.publish("a/b", "x")
