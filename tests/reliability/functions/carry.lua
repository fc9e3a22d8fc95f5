-- What the ledger kills around: carries every message on, as it is.
return {
  on = { topic = "in/+" },
  allow = { publish = "out/+" },
  handler = function(event)
    mqtt.publish("out/" .. event.client, event, { qos = 1 })
  end,
}
