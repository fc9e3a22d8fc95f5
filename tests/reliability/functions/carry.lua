-- What the ledger kills around: carries every message on, as it is. An event whose worker is killed
-- each time is given up after its retries, which is not what is counted here: it has many.
return {
  on = { topic = "in/+" },
  retries = 100,
  allow = { publish = "out/+" },
  handler = function(event)
    mqtt.publish("out/" .. event.client, event, { qos = 1 })
  end,
}
