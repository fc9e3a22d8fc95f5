-- Calls a car to the workshop at each thousandth reading.
return {
  on = {
    table   = "cars",
    changes = { "insert", "modify" },
    where   = function(change) return change.new.readings % 1000 == 0 end,
  },
  allow = { publish = "workshop/#" },

  -- change = { table, kind, key, old, new, sequence, time }. Each change has its effects once.
  handler = function(change, context)
    mqtt.publish("workshop/" .. change.key.id, { service = true, readings = change.new.readings }, { qos = 1 })
  end,
}
