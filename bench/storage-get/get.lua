-- Reads an item of a table for each event, and answers.
return {
  on    = { topic = "iot/ccar-ad/+" },
  allow = { db = "cars", publish = "alerts/+" },

  handler = function(event)
    local car = db.get("cars", { id = event.deviceid })
    mqtt.publish("alerts/" .. event.deviceid, { ts = event.ts, readings = car.readings })
  end,
}
