"""The productions of RFC 9110 and RFC 9112 as bytes regexes, each under its ABNF.

Law: wire data is bytes and is matched whole, in time linear in its length: a repeated byte is possessive
(`*+`, `++`), and each round of a repeated group begins with a byte that nothing else there begins with, so
there is nothing to backtrack into. (Groups are not possessive themselves: before Python 3.11.5 a possessive
group that fails half-way does not give back what it took, and matches what it should not.)
"""

import re

# token = 1*tchar                                                                      RFC 9110 5.6.2
# tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
TOKEN = re.compile(_TOKEN)

# field-value = *field-content, of SP and VCHAR, HTAB, obs-text (%x80-FF)               RFC 9110 5.5
_VALUE = rb"[ -~\t\x80-\xff]*+"
VALUE = re.compile(_VALUE)

# field-line = field-name ":" OWS field-value OWS; obs-fold is not among what we take   RFC 9112 5
FIELD_LINE = re.compile(rb"(%b):[ \t]*+(%b)" % (_TOKEN, _VALUE))  # without its CRLF
FIELD_BLOCK = re.compile(rb"(?:%b:%b\r\n)*" % (_TOKEN, _VALUE))

# request-line = method SP request-target SP HTTP-version                               RFC 9112 3
# The target is any VCHAR but "#": what RFC 3986 forbids beyond that (| ^ { } ") browsers do send.
_TARGET = rb'[!"$-~]++'
TARGET = re.compile(_TARGET)
REQUEST_LINE = re.compile(rb"(%b) (%b) HTTP/1\.[0-9]\r\n" % (_TOKEN, _TARGET))

# status-line = HTTP-version SP status-code SP [ reason-phrase ]                        RFC 9112 4
# reason-phrase = 1*( HTAB / SP / VCHAR / obs-text ); no status is below 100 or above 599 (RFC 9110 15).
STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-5][0-9]{2}) [ -~\t\x80-\xff]*+\r\n")

# HTTP-version = "HTTP" "/" DIGIT "." DIGIT, case-sensitive                             RFC 9112 2.3
VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")

# What no head may contain, wherever the head is cut: a control byte but HTAB, a bare LF, a bare CR. A match ends
# behind the byte that shows it.
HEAD_FAULT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]")
HARMLESS = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)])  # what is no fault by itself

# IPv6address; where "::" stands for n to 7 - n pieces less, h16 on its left and on its right   RFC 3986 3.2.2
_H16 = rb"[0-9A-Fa-f]{1,4}+"
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LS32 = rb"(?:%b:%b|%b(?:\.%b){3})" % (_H16, _H16, _OCTET, _OCTET)
_LEFT = [rb"", *(rb"(?:%b(?::%b){0,%d})?" % (_H16, _H16, n) for n in range(7))]  # of at most 0 to 7 pieces
_IPV6 = b"|".join(
    [
        rb"(?:%b:){6}%b" % (_H16, _LS32),
        *(rb"%b::(?:%b:){%d}%b" % (_LEFT[n], _H16, 5 - n, _LS32) for n in range(6)),
        rb"%b::%b" % (_LEFT[6], _H16),
        rb"%b::" % _LEFT[7],
    ]
)

# uri-host [ ":" port ]; a comma would be legal in a reg-name and is refused:           RFC 9110 7.2, RFC 3986 3.2.2
# two Host values joined by somebody on the way look like that.
_HOST = rb"(?:\[(?:%b)\]|(?:[0-9A-Za-z\-._~!$&'()*+;=]++|%%[0-9A-Fa-f]{2})+)" % _IPV6
HOST = re.compile(rb"%b(?::([0-9]*+))?" % _HOST)

# absolute-form = scheme "://" authority [ path ] [ "?" query ], scheme http or https   RFC 9112 3.2.2
ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?+://([^/?]*+)([^?]*+)(.*+)")

# Content-Length = 1*DIGIT; bytes regexes know no Unicode digits                        RFC 9110 8.6
DIGITS = re.compile(rb"[0-9]++")

# #element: a list of tokens, empty elements allowed to a recipient                     RFC 9110 5.6.1
TOKEN_LIST = re.compile(rb"[ \t,]*+(?:%b[ \t]*+(?:,[ \t,]*+|\Z))*" % _TOKEN)

# chunk = chunk-size [ chunk-ext ] CRLF                                                 RFC 9112 7.1
# chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] ), taken without the BWS
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]++|\\[\t -~\x80-\xff])*"'
_EXTENSION = rb";%b(?:=(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]++)((?:%b)*)\r\n" % _EXTENSION)
