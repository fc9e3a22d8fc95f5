-- Calls that wait: http, shadow.get, invoke.call, secrets.get.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local tests = {
  a_response_has_its_parts = function()
    local response = http.get("http://a.example/x")
    assert(response.status == 200 and response.headers["content-type"] == "application/json")
    assert(response.body == '{"n":[1,2]}' and response:json().n[2] == 2)
    response = http.get("http://a.example/text")
    assert(response.status == 404 and response.body == "not here")
    local value, problem = response:json()
    assert(value == nil and problem:find("byte 1", 1, true), problem)
  end,

  a_request_has_its_parts = function()
    http.post("http://a.example/x", { json = { a = 1 }, timeout = 1.5 })
    http.put("http://a.example/x", { body = "raw", headers = { ["X-Key"] = "k" }, timeout = "2min", redirects = 0 })
    http.delete("http://a.example/x", { query = { q = "a b&c" } })
    http.patch("http://a.example/x", { json = "text" })
    http.request("OPTIONS", "http://a.example/x")
  end,

  wrong_requests_are_named = function()
    raises("the URL is empty", http.get, "")
    raises("the URL holds white space", http.get, "http://a b")
    raises("the URL holds white space", http.get, "http://a\0b")
    raises("the method holds", http.request, "GET /\r\n", "http://a")
    raises('there is no option "jsno"', http.post, "http://a", { jsno = {} })
    raises("timeout is a number of seconds", http.get, "http://a", { timeout = "soon" })
    raises("timeout is a number of seconds", http.get, "http://a", { timeout = -1 })
    raises("timeout is a number of seconds", http.get, "http://a", { timeout = 0 / 0 })
    raises("timeout is a number of seconds", http.get, "http://a", { timeout = "1e9min" })
    raises("redirects is a number from 0 to 10", http.get, "http://a", { redirects = 11 })
    raises("headers are", http.get, "http://a", { headers = { a = "b\r\nc: d" } })
    raises("headers is a table", http.get, "http://a", { headers = "a: b" })
    raises("query is a table", http.get, "http://a", { query = "a=b" })
    raises("json.x: NaN", http.post, "http://a", { json = { x = 0 / 0 } })
    raises("a call has at most", http.post, "http://a", { body = ("x"):rep(1100000) })
  end,

  a_failure_is_an_error_with_its_place = function()
    local ok, problem = pcall(function() return http.get("http://nobody.example/") end)
    assert(not ok and problem:find("^waiting.lua:%d+: nobody answers"), problem)
  end,
  a_failure_ends_the_handler = function() http.get("http://nobody.example/") end,

  what_was_done_before_stays = function()
    local seen = { "before" }
    mqtt.publish("out/1", 1)
    local before = time.now_ms()
    http.get("http://a.example/x")
    seen[#seen + 1] = "after"
    mqtt.publish("out/2", 2)
    assert(table.concat(seen, " ") == "before after" and time.now_ms() >= before)
  end,

  a_half_effect_before_a_wait_leaves_nothing = function()
    pcall(mqtt.publish, "out/1", 0 / 0)
    http.get("http://a.example/x")
    mqtt.publish("out/2", 2)
  end,

  shadows_are_read = function()
    assert(shadow.get("car").state.desired.limit == 120)
    assert(shadow.get("car", { name = "none" }) == nil)
  end,

  functions_are_called = function()
    assert(invoke.call("double", { n = 2 }).n == 4)
    raises("nobody answers", invoke.call, "gone")
  end,

  secrets_are_read = function() assert(secrets.get("key") == "s3cret") end,

  waiting_works_in_pcall_and_iterators = function()
    local ok, response = pcall(http.get, "http://a.example/x")
    assert(ok and response.status == 200)
    assert(select(2, xpcall(http.get, print, "http://a.example/x")).status == 200)
    for response in function(_, last) return not last and http.get("http://a.example/x") or nil end do
      assert(response.status == 200)
    end
  end,

  waiting_elsewhere_says_where_it_can = function()
    local routine = coroutine.wrap(function() return http.get("http://a.example/x") end)
    raises("waits, and can wait only in the handler itself", routine)
    raises("can wait only in the handler", table.sort, { 1, 2 }, function() return http.get("http://a.example/x") end)
    raises("can wait only in the handler", string.gsub, "a", "a", function() return http.get("http://a.example/x") end)
  end,

  there_is_a_bound = function()
    for _ = 1, 100 do secrets.get("key") end
    raises("at most 100 calls", secrets.get, "key")
  end,
}

return {
  allow = { publish = "out/+", http = "*", shadow = "*", invoke = "*", secrets = "key" },
  replies = {
    ["GET http://a.example/x"] = { headers = { ["Content-Type"] = "application/json" }, body = '{"n":[1,2]}' },
    ["GET http://a.example/text"] = { status = 404, body = "not here" },
    ["POST http://a.example/x"] = { status = 204 },
    ["PUT http://a.example/x"] = { status = 204 },
    ["PATCH http://a.example/x"] = { status = 204 },
    ["OPTIONS http://a.example/x"] = { status = 204 },
    ["DELETE http://a.example/x?q=a%20b%26c"] = { status = 204 },
    ["shadow car"] = { state = { desired = { limit = 120 } } },
    ["shadow car/none"] = false,
    ["invoke double"] = { n = 4 },
    ["secret key"] = "s3cret",
  },
  tests = tests,
  expect = {
    a_request_has_its_parts = { calls = {
      { http = "POST http://a.example/x", timeout_ms = 1500, headers = { ["Content-Type"] = "application/json" }, body = { a = 1 } },
      { http = "PUT http://a.example/x", timeout_ms = 120000, redirects = 0, headers = { ["X-Key"] = "k" }, body = "raw" },
      { http = "DELETE http://a.example/x?q=a%20b%26c" },
      { http = "PATCH http://a.example/x", headers = { ["Content-Type"] = "application/json" }, body = "text" },
      { http = "OPTIONS http://a.example/x" },
    } },
    wrong_requests_are_named = { calls = {} },
    a_failure_ends_the_handler = { fails = "nobody answers" },
    what_was_done_before_stays = { effects = { { publish = "out/1", payload = 1 }, { publish = "out/2", payload = 2 } } },
    a_half_effect_before_a_wait_leaves_nothing = { effects = { { publish = "out/2", payload = 2 } } },
    waiting_elsewhere_says_where_it_can = { calls = {} },
  },
  handler = function(name, context) return tests[name](context) end,
}
