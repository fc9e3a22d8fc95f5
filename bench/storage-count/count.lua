-- The handler of the storage benchmark: counts a device's readings in a table. Its peers stand in
-- bench/storage-peers/.
return {
  on    = { topic = "iot/ccar-ad/+" },
  allow = { db = "cars", publish = "alerts/+" },

  handler = function(event)
    db.update("cars", { id = event.deviceid }, function(car)
      car.readings = (car.readings or 0) + 1
      car.last = event.ts
      return car
    end)
    mqtt.publish("alerts/" .. event.deviceid, { ts = event.ts })
  end,
}
