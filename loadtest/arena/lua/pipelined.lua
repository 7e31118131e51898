-- `-- N` requests at once, before the first of their answers; wrk counts the answers.

local whole

function init(args)
  whole = string.rep(wrk.format(), tonumber(args[1]))
end

function request()
  return whole
end
