-- GET with the twelve fields of a browser's navigation; with `-- N`, N different heads in turn.
-- They are all written before the first is sent: what wrk does for a request is a look-up.

local fields = {
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: none",
  "Sec-Fetch-Mode: navigate",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-US,en;q=0.9",
}

local heads, last = {}, 0

function init(args)
  local begin = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
      .. table.concat(fields, "\r\n") .. "\r\n"
  for number = 1, tonumber(args[1] or 0) do
    heads[number] = begin .. string.format("Cookie: session=%08d; theme=dark\r\nX-Request-Id: %08d\r\n\r\n", number, number)
  end
  if #heads == 0 then heads[1] = begin .. "\r\n" end
end

function request()
  last = last % #heads + 1
  return heads[last]
end
