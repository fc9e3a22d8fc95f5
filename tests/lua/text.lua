-- base64, hash, uuid.
local tests = {
  base64_is_that_of_the_rfc = function()
    for plain, text in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\xff\xfe\0"] = "//4A" } do
      assert(base64.encode(plain) == text and base64.decode(text) == plain, text)
    end
    assert(base64.decode "Zm8" == "fo" and base64.decode "__4A" == "\xff\xfe\0")
    local value, problem = base64.decode "Zm 8"
    assert(value == nil and problem == "byte 3 is not base64", problem)
    assert(base64.decode "Z" == nil)
  end,
  hashes_are_those_of_the_standards = function()
    assert(hash.sha256 "abc" == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert(hash.sha1 "abc" == "a9993e364706816aba3e25717850c26c9cd0d89d")
    assert(hash.sha256(("a"):rep(1000)) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
    assert(hash.hmac("Jefe", "what do ya want for nothing?") ==
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert(hash.hmac("Jefe", "what do ya want for nothing?", "sha1") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    assert(not pcall(hash.hmac, "k", "t", "md5"))
  end,
  uuids_have_their_form = function()
    assert(uuid.v4():match "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
    assert(uuid.v4() ~= uuid.v4())
  end,
}

return {
  tests = tests,
  handler = function(name) return tests[name]() end,
}
