-- json: what it reads, what it writes, what it refuses.
local function refused(text, expected)
  local value, problem = json.decode(text)
  assert(value == nil and problem:find(expected, 1, true), text .. ": " .. tostring(problem))
end

local function cannot(value, expected)
  local ok, problem = pcall(json.encode, value)
  assert(not ok and problem:find(expected, 1, true), problem)
end

local tests = {
  numbers_keep_their_kind = function()
    for text, value in pairs { ["0"] = 0, ["-1"] = -1, ["12345678901234567"] = 12345678901234567,
      ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger } do
      local read = json.decode(text)
      assert(math.type(read) == "integer" and read == value, text)
    end
    for text, value in pairs { ["1.0"] = 1.0, ["0.1"] = 0.1, ["-2.5e3"] = -2500.0, ["1E-2"] = 0.01,
      ["9223372036854775808"] = 2.0 ^ 63, ["0.30000000000000004"] = 0.1 + 0.2,
      ["2.2250738585072014e-308"] = 0x1p-1022, ["123456789.012345"] = 123456789.012345,
      ["5e-324"] = 0x1p-1074, ["1e-400"] = 0.0 } do
      local read = json.decode(text)
      assert(math.type(read) == "float" and read == value, text)
    end
  end,

  minus_zero_keeps_its_sign = function()
    assert(1 / json.decode("-0") < 0 and json.encode(-0.0) == "-0" and json.encode(json.decode "-0") == "-0")
  end,

  floats_survive_the_round_trip = function()
    for _ = 1, 500 do
      local value = (math.random() - 0.5) * 10.0 ^ math.random(-200, 200)
      assert(json.decode(json.encode(value)) == value, string.format("%.17g", value))
    end
    assert(json.encode(0.1) == "0.1" and json.encode(1e300) == "1e+300")
    assert(json.encode(math.mininteger) == "-9223372036854775808")
  end,

  strings_are_utf8 = function()
    assert(json.decode [["\u00e4\ud83d\ude97\n\"\\\/\u0000"]] == "ä🚗\n\"\\/\0")
    assert(json.encode "ä🚗\n\"\\\1" == [["ä🚗\n\"\\\u0001"]])
    refused([["\ud83d"]], "surrogate")
    refused([["\ude97"]], "surrogate")
    refused('"a\nb"', "control character")
    refused('"\xff"', "UTF-8")
    refused([["\x"]], "escape")
    cannot({ name = "\xff" }, "value.name: a string that is not UTF-8")
  end,

  null_is_a_value = function()
    local list = json.decode "[1,null,3]"
    assert(#list == 3 and list[2] == json.null)
    assert(json.encode(list) == "[1,null,3]" and json.encode(nil) == "null")
    assert(json.decode "null" == json.null)
  end,

  tables_are_arrays_or_objects = function()
    assert(json.encode { 1, 2, 3 } == "[1,2,3]")
    assert(json.encode {} == "{}" and json.encode(json.array()) == "[]")
    assert(json.encode(json.array { "a" }) == '["a"]')
    assert(json.encode { [2] = true } == '{"2":true}')
    assert(json.encode(json.decode '{"tags":[]}') == '{"tags":[]}')
    local grown = json.decode "[]"
    grown.a = 1
    assert(json.encode(grown) == '{"a":1}')
  end,

  the_last_of_two_members_counts = function()
    assert(json.decode '{"a":1,"a":2}'.a == 2)
  end,

  what_is_no_json_is_refused = function()
    for _, text in ipairs { "", " ", "{", "[1,]", "{'a':1}", '{"a":1,}', "01", "1.", ".5", "+1", "-", "1e", "tru", "nul",
      "[1 2]", '{"a" 1}', "1 2", "NaN", "Infinity", "1e999", '{"a"}', "[", '"', "\xef\xbb\xbf1" } do
      refused(text, "byte")
    end
    refused(("["):rep(65) .. ("]"):rep(65), "levels deep")
    assert(json.decode(("["):rep(64) .. ("]"):rep(64)))
    refused(("9"):rep(500), "characters")
  end,

  what_cannot_be_json_is_named = function()
    cannot({ a = { b = 0 / 0 } }, "value.a.b: NaN cannot be JSON")
    cannot({ a = { 1, 1 / 0 } }, "value.a[2]: infinity cannot be JSON")
    cannot({ f = print }, "value.f: a function")
    cannot({ [1.5] = 1 }, "a table key that is neither")
    local loop = {}
    loop.loop = loop
    cannot(loop, "the table holds itself")
    cannot({ ("x"):rep(2000000) }, "too large")
  end,

  metamethods_do_not_run = function()
    local shy = setmetatable({ a = 1 }, { __pairs = error, __index = error, __len = error, __tostring = error })
    assert(json.encode(shy) == '{"a":1}')
  end,
}

return {
  tests = tests,
  handler = function(name) return tests[name]() end,
}
