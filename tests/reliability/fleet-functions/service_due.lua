-- Announces a service at each tenth reading of a car, and counts how often it did.
return {
  on    = { table = "cars", where = function(change) return change.new and change.new.readings % 10 == 0 end, start = "oldest" },
  allow = { publish = "workshop/#", db = "services" },
  handler = function(change)
    local id = change.key.id .. "/" .. change.new.readings
    db.update("services", { id = id }, function(service)
      service.count = (service.count or 0) + 1
      return service
    end)
    mqtt.publish("workshop/" .. change.key.id, { service = true, readings = change.new.readings }, { qos = 1 })
  end,
}
