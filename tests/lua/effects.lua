-- Effects: what the host is told when a handler has returned, and what is refused before.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local at_load = select(2, pcall(mqtt.publish, "alerts/x", "x"))

local tests = {
  they_come_in_their_order = function()
    mqtt.publish("alerts/a", "text")
    shadow.update("car", { reported = { on = true } })
    invoke("report", { n = 1 })
    metric.add("seen")
    metric.add("litres", 2.5)
    shadow.delete("car", { name = "old" })
    mqtt.publish("alerts/b", { 1, 2 }, { qos = 2, retain = true, expiry = 60 })
  end,

  webhooks_are_requests_for_later = function()
    webhook.send("https://example.com/hook", { n = 1 })
    webhook.send("https://example.com/hook", "text", { method = "PUT", headers = { ["X-A"] = "b" }, timeout = "2s" })
    webhook.send("https://example.com/hook")
    raises("the URL holds white space", webhook.send, "https://example.com/a b", 1)
    webhook.send("https://example.com./", 1) -- where that leads the host knows
    raises("the URL is empty", webhook.send, "", 1)
    raises("does not begin with http:// or https://", webhook.send, "ftp://example.com/hook", 1)
    raises("cannot be CONNECT", webhook.send, "https://example.com", 1, { method = "CONNECT" })
    raises("timeout is at most 30 s", webhook.send, "https://example.com", 1, { timeout = "31s" })
    raises('webhook.send: "https://example.org/" is not allowed; add  http = "https://example.org/"  to', webhook.send, "https://example.org/", 1)
    raises('"http://10.0.0.1:80/" is not allowed', webhook.send, "http://10.0.0.1:80/", 1)
    raises("the method holds white space", webhook.send, "https://example.com", 1, { method = "A B" })
    raises("webhook.send: timeout is a number", webhook.send, "https://example.com", 1, { timeout = "soon" })
    raises('there is no option "secret"', webhook.send, "https://example.com", 1, { secret = 1 })
    raises("payload: a function", webhook.send, "https://example.com", print)
  end,

  payloads_may_be_anything = function()
    mqtt.publish("alerts/a")
    mqtt.publish("alerts/a", 7)
    mqtt.publish("alerts/a", true)
    mqtt.publish("alerts/a", json.null)
  end,

  properties_are_those_of_mqtt_5 = function()
    mqtt.publish("alerts/a", "x", { properties = { content_type = "a/b" } })
    mqtt.publish("alerts/a", "x", { properties = { fleet = "n" } })
  end,

  what_fails_half_way_leaves_nothing = function()
    raises("payload.x: NaN", mqtt.publish, "alerts/a", { x = 0 / 0 })
    raises("payload: a function", invoke, "report", print)
    mqtt.publish("alerts/a", 1)
    raises("document.state.desired: NaN", shadow.update, "car", { desired = 0 / 0 })
  end,

  what_is_not_allowed_says_what_to_add = function()
    raises('mqtt.publish: "other/x" is not allowed; add  publish = "other/x"  to the function\'s allow',
      mqtt.publish, "other/x", 1)
    raises('"$aws/things/car/shadow/update" is not allowed', mqtt.publish, "$aws/things/car/shadow/update", "{}")
    raises('add  shadow = "truck"', shadow.update, "truck", { desired = {} })
    raises('add  shadow = "truck"', shadow.delete, "truck")
    raises('add  shadow = "truck"', shadow.get, "truck")
    raises('add  invoke = "other"', invoke, "other")
    raises('add  invoke = "other"', invoke.call, "other")
    raises('add  secrets = "key"', secrets.get, "key")
    invoke "report-daily"
  end,

  wrong_arguments_are_named = function()
    raises("the topic is empty", mqtt.publish, "", 1)
    raises("wildcard", mqtt.publish, "alerts/+", 1)
    raises("mqtt.publish: ", mqtt.publish, "alerts/\0", 1)
    raises("string expected", mqtt.publish, nil, 1)
    raises("qos is a number from 0 to 2", mqtt.publish, "alerts/a", 1, { qos = 3 })
    raises("qos is a number from 0 to 2", mqtt.publish, "alerts/a", 1, { qos = "high" })
    raises("expiry is a number from 1", mqtt.publish, "alerts/a", 1, { expiry = 0 })
    raises('there is no option "retained"', mqtt.publish, "alerts/a", 1, { retained = true })
    raises('property "a" is not UTF-8', mqtt.publish, "alerts/a", 1, { properties = { a = "\xff" } })
    raises("response_topic: ", mqtt.publish, "alerts/a", 1, { properties = { response_topic = "a/#" } })
    raises("a thing's name has", shadow.update, "a b", { desired = {} })
    raises("a shadow's name has", shadow.update, "car", { desired = {} }, { name = "a/b" })
    raises('there is no option "wanted"', shadow.update, "car", { wanted = {} })
    raises("table expected", shadow.update, "car", "{}")
    raises("a name has 1 to 100", metric.add, "")
    raises("out of range", metric.add, "a", 0 / 0)
  end,

  there_are_bounds = function()
    for _ = 1, 1000 do metric.add("n") end
    raises("at most 1000 effects", metric.add, "n")
    raises("at most 1000 effects", mqtt.publish, "alerts/a", 1)
  end,
  the_bytes_are_bounded = function()
    local mib = ("x"):rep(1 << 20)
    for _ = 1, 3 do mqtt.publish("alerts/a", mib) end
    raises("too much", mqtt.publish, "alerts/a", mib)
    mqtt.publish("alerts/a", "small")
  end,

  an_error_takes_all_back = function()
    mqtt.publish("alerts/a", 1)
    error("no")
  end,

  nothing_happens_while_the_file_is_loaded = function()
    assert(at_load:find("only be called while the handler runs", 1, true), at_load)
  end,

  lines_are_logged = function()
    print("speed", 140, { limit = 120 }, nil, true)
    log.warn("low")
    log.debug(print, 1.5)
    log.info(setmetatable({}, { __tostring = error, __name = "x" }))
  end,
  lines_are_bounded = function()
    for _ = 1, 40 do log.info(("x"):rep(10000)) end
  end,
}

return {
  allow = { publish = { "alerts/+", "#/wrong" }, shadow = "car", invoke = { "report", "report-*" }, http = "https://example.com" },
  tests = tests,
  expect = {
    they_come_in_their_order = { effects = {
      { publish = "alerts/a", payload = "text" },
      { shadow = "update", thing = "car", document = { state = { reported = { on = true } } } },
      { invoke = "report", payload = { n = 1 } },
      { metric = "seen", value = 1 },
      { metric = "litres", value = 2.5 },
      { shadow = "delete", thing = "car", name = "old" },
      { publish = "alerts/b", payload = { 1, 2 }, qos = 2, retain = true, expiry = 60 },
    } },
    webhooks_are_requests_for_later = { effects = {
      { webhook = "https://example.com/hook", method = "POST", header = "Content-Type: application/json", payload = { n = 1 } },
      { webhook = "https://example.com/hook", method = "PUT", timeout_ms = 2000, header = "X-A: b", payload = "text" },
      { webhook = "https://example.com/hook", method = "POST" },
      { webhook = "https://example.com./", method = "POST", header = "Content-Type: application/json", payload = 1 },
    } },
    payloads_may_be_anything = { effects = {
      { publish = "alerts/a" },
      { publish = "alerts/a", payload = 7 },
      { publish = "alerts/a", payload = true },
      { publish = "alerts/a", payload = json.null },
    } },
    properties_are_those_of_mqtt_5 = { effects = {
      { publish = "alerts/a", payload = "x", properties = "030003612f62" },
      { publish = "alerts/a", payload = "x", properties = "260005666c65657400016e" },
    } },
    what_fails_half_way_leaves_nothing = { effects = { { publish = "alerts/a", payload = 1 } } },
    what_is_not_allowed_says_what_to_add = { effects = { { invoke = "report-daily" } } },
    wrong_arguments_are_named = { effects = {} },
    an_error_takes_all_back = { fails = "no", effects = {} },
    lines_are_logged = { logs = { 'speed 140 {"limit":120} nil true', "low", "function 1.5", "{}" } },
  },
  handler = function(name, context) return tests[name](context) end,
}
