-- db: conditional writes and batches.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local tests = {
  a_version_must_be_the_one_that_was_read = function()
    local car, version = db.get("cars", "audi22")
    assert(version == 7)
    assert(db.put("cars", car, { if_version = 6 }) == false)
    assert(db.put("cars", { id = "nobody" }, { if_version = 7 }) == false)
    assert(db.put("cars", { id = "nobody" }, { if_version = 0 }) == true)
    assert(db.put("cars", car, { if_version = version }) == true)
    assert(select(2, db.get("cars", "audi22")) == nil)
    assert(db.put("cars", car, { if_version = version }) == false)
  end,

  absent_is_absent = function()
    assert(db.put("cars", { id = "audi22" }, { if_absent = true }) == false)
    assert(db.put("cars", { id = "nobody" }, { if_absent = true }) == true)
    assert(db.put("cars", { id = "nobody" }, { if_absent = true }) == false)
    assert(db.delete("cars", "audi22", { if_version = 1 }) == false)
    assert(db.delete("cars", "audi22", { if_version = 7 }) == true)
    assert(db.put("cars", { id = "audi22" }, { if_absent = true }) == true)
  end,

  a_condition_is_an_expression_over_the_item = function()
    local function holds(condition)
      return db.delete("cars", "audi22", { condition = condition })
    end
    assert(not holds("readings < 41"))
    assert(not holds("retired"))
    assert(not holds("readings < 1000 and retired"))
    assert(not holds("id == 'bmw' or colour == 'red'"))
    assert(not holds("#tags > 3 or math.max(readings, 5) == 5"))
    assert(not holds("item['readings'] ~= 41"))
    assert(not holds(function(car) return car.readings > 100 end))
    assert(db.put("cars", { id = "nobody", n = 1 }, { condition = "id == nil" }))
    assert(db.put("cars", { id = "fresh" }, { condition = function(car) return car == nil end }))
    assert(holds("readings < 1000 and not retired"))
  end,

  a_condition_may_wait = function()
    assert(db.put("cars", { id = "fresh" }, { condition = function()
      return db.get("cars", "audi22").readings == 41
    end }))
  end,

  a_wrong_condition_is_named = function()
    local function condition(text) return db.put, "cars", { id = "audi22" }, { condition = text } end
    raises("the condition cannot be parsed", condition("readings <"))
    raises("the condition cannot be parsed", condition("1; x = 2"))
    raises("the condition cannot be parsed", condition("x = 2"))
    raises("compare nil with number", condition("missing < 5"))
    raises("condition is a string or a function", condition(7))
    raises('no option "if_absnt"', db.put, "cars", { id = "x" }, { if_absnt = true })
    raises("if_version is", db.put, "cars", { id = "x" }, { if_version = "7" })
    raises("if_absent is", db.put, "cars", { id = "x" }, { if_absent = 1 })
    raises("the options are a table", db.put, "cars", { id = "x" }, 7)
  end,

  an_update_keeps_the_key = function()
    raises("must stay as it is", db.update, "cars", "audi22", function(car)
      car.id = "bmw"
      return car
    end)
    raises('"id" is missing', db.update, "cars", "audi22", function() return {} end)
  end,

  a_batch_reads_together = function()
    local results = db.batch {
      { get = "cars", key = "audi22" },
      { get = "readings", key = { id = "a", ts = 5 } },
      { put = "cars", item = { id = "bmw" } },
      { delete = "readings", key = { id = "b", ts = 1 } },
    }
    assert(results[1].readings == 41 and results[2] == false and results[3] and results[4])
    assert(db.get("cars", "bmw").id == "bmw")
  end,

  a_batch_writes_all_or_nothing = function()
    local results, failed = db.batch {
      { put = "cars", item = { id = "bmw" } },
      { put = "cars", item = { id = "audi22" }, if_absent = true },
    }
    assert(results == nil and failed == 2)
    raises("item.x: NaN", db.batch, {
      { put = "cars", item = { id = "bmw" } },
      { put = "cars", item = { id = "vw", x = 0 / 0 } },
    })
    raises('"id" is missing', db.batch, { { put = "cars", item = { id = "bmw" } }, { delete = "cars", key = {} } })
  end,

  a_wrong_batch_is_named = function()
    raises("it has one of get, put and delete", db.batch, { { key = "x" } })
    raises("it has one of get, put and delete", db.batch, { { get = "cars", put = "cars", key = "x" } })
    raises("operation 1: it is { get", db.batch, { "cars" })
    raises('no option "itm"', db.batch, { { put = "cars", itm = {} } })
    raises("put needs an item", db.batch, { { put = "cars", key = "x" } })
    raises('there is no table "planes"', db.batch, { { get = "planes", key = "x" } })
    raises("is not allowed", db.batch, { { get = "secret", key = "x" } })
    local many = {}
    for i = 1, 101 do many[i] = { get = "cars", key = i } end
    raises("at most 100", db.batch, many)
  end,
}

return {
  on = { topic = "x" },
  allow = { db = { "cars", "readings", "planes" } },
  tests = tests,
  replies = {
    ["db cars/audi22"] = { id = "audi22", readings = 41, tags = { "a" } },
    ["db cars/nobody"] = false,
    ["db cars/fresh"] = false,
    ["db cars/audi22 readings/a,5"] = { { id = "audi22", readings = 41 }, false },
  },
  expect = {
    absent_is_absent = {
      effects = {
        { read = "cars", key = "audi22", version = 7 },
        { read = "cars", key = "nobody" },
        { put = "cars", item = { id = "nobody" } },
        { delete = "cars", key = "audi22" },
        { put = "cars", item = { id = "audi22" } },
      },
    },
    a_batch_reads_together = {
      calls = { { call = "db cars/audi22 readings/a,5" } },
      effects = {
        { read = "cars", key = "audi22", version = 7 },
        { read = "readings", key = "a,5" },
        { put = "cars", item = { id = "bmw" } },
        { delete = "readings", key = "b,1" },
      },
    },
    a_batch_writes_all_or_nothing = { effects = { { read = "cars", key = "audi22", version = 7 } } },
  },
  handler = function(event) tests[event]() end,
}
