"""Media types: what a file is, by its name (RFC 9110 8.3).

Law: the same name is the same type on every machine and with every Python: no /etc/mime.types and no registry is read,
which is why the standard library's `mimetypes` is not asked. What is registered with IANA is called what it is
registered as, what is not is called what browsers know it as; what is not known is bytes.

Decided where it could be otherwise:
- Text is UTF-8, and said to be. JSON has no charset (RFC 8259 11); XML, and with it SVG, names its own in its first
  line, which a charset in the head would overrule (RFC 7303 3).
- ".ts" is a piece of an HLS stream: players insist on the type, and no browser runs TypeScript.
- Sources are text/plain, though some have a type of their own: browsers show that and would save "text/x-python".
- ".tar.gz" is application/gzip, and no coding of a tar: who saves it wants it as it is.
- Some names without a suffix are known to be text.
"""

UNKNOWN = "application/octet-stream"

# Each with the suffixes that it goes by.
_SUFFIXES_BY_TYPE = {
    # Of the web.
    "text/html": "html htm",
    "text/css": "css",
    "text/javascript": "js mjs cjs",  # RFC 9239
    "application/json": "json map ipynb",
    "application/ld+json": "jsonld",
    "application/geo+json": "geojson",
    "application/manifest+json": "webmanifest",
    "application/xhtml+xml": "xhtml xht",
    "application/xml": "xml xsl xslt xsd rng",
    "application/xml-dtd": "dtd",
    "application/rss+xml": "rss",
    "application/atom+xml": "atom",
    "application/rdf+xml": "rdf",
    "application/mathml+xml": "mathml",
    "application/wasm": "wasm",
    "application/x-ndjson": "ndjson jsonl",
    "application/sql": "sql",
    "application/toml": "toml",
    "application/yaml": "yaml yml",  # RFC 9512
    # Text.
    "text/plain": (
        "txt text log conf cfg ini properties env lock diff patch srt sub ass ssa asc sha256 sha512 md5 rst adoc org "
        "py pyi pyx c h cc cpp cxx hpp hh cs go rs java kt swift scala clj ex exs erl hs ml lua pl pm rb r jl d zig "
        "nim asm s sh bash zsh fish ksh csh tcl bat cmd ps1 awk sed vim el lisp scm tex latex bib sty "
        "jsx tsx mts cts vue svelte scss sass less coffee graphql gql "
        "cmake mk gradle proto thrift tf nix dockerfile gitignore gitattributes editorconfig"
    ),
    "text/markdown": "md markdown",  # RFC 7763
    "text/csv": "csv",  # RFC 7111
    "text/tab-separated-values": "tsv",
    "text/calendar": "ics ifb",
    "text/vcard": "vcf vcard",
    "text/vtt": "vtt",
    "text/vnd.graphviz": "dot gv",
    "text/n3": "n3",
    "text/turtle": "ttl",
    "application/n-triples": "nt",
    "application/n-quads": "nq",
    "application/trig": "trig",
    # Images.
    "image/png": "png",
    "image/apng": "apng",
    "image/jpeg": "jpg jpeg jpe jfif",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/jxl": "jxl",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/svg+xml": "svg",
    "image/vnd.microsoft.icon": "ico cur",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "image/jp2": "jp2",
    "image/vnd.adobe.photoshop": "psd",
    "image/x-portable-anymap": "pnm",
    "image/x-portable-bitmap": "pbm",
    "image/x-portable-graymap": "pgm",
    "image/x-portable-pixmap": "ppm",
    # Sound.
    "audio/mpeg": "mp3 mp2",
    "audio/mp4": "m4a m4b",
    "audio/aac": "aac adts",
    "audio/ogg": "oga ogg spx",
    "audio/opus": "opus",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/midi": "mid midi",
    "audio/x-aiff": "aif aiff aifc",
    "audio/basic": "au snd",
    # Pictures that move, and lists of them.
    "video/mp4": "mp4 m4v mp4v",
    "video/iso.segment": "m4s",
    "video/webm": "webm",
    "video/ogg": "ogv",
    "video/mpeg": "mpeg mpg mpe m1v m2v",
    "video/mp2t": "ts m2ts",
    "video/quicktime": "mov qt",
    "video/matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/x-flv": "flv",
    "video/3gpp": "3gp 3gpp",
    "video/3gpp2": "3g2",
    "application/vnd.apple.mpegurl": "m3u8 m3u",  # RFC 8216 4
    "application/dash+xml": "mpd",
    # Fonts: RFC 8081.
    "font/woff2": "woff2",
    "font/woff": "woff",
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/collection": "ttc otc",
    "application/vnd.ms-fontobject": "eot",
    # Documents.
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/epub+zip": "epub",
    "application/postscript": "ps eps ai",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt pps",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "message/rfc822": "eml",
    "multipart/related": "mht mhtml",  # RFC 2557
    # Archives and packages.
    "application/zip": "zip whl",
    "application/gzip": "gz tgz svgz",  # RFC 6713; a ".svgz" would be an image only with a Content-Encoding
    "application/zstd": "zst tzst",  # RFC 8878
    "application/x-bzip2": "bz2 tbz2",
    "application/x-xz": "xz txz",
    "application/x-tar": "tar",
    "application/x-7z-compressed": "7z",
    "application/vnd.rar": "rar",
    "application/x-cpio": "cpio",
    "application/java-archive": "jar war ear",
    "application/vnd.debian.binary-package": "deb udeb",
    "application/x-rpm": "rpm",
    "application/vnd.android.package-archive": "apk",
    "application/x-apple-diskimage": "dmg",
    "application/x-iso9660-image": "iso",
    "application/x-xpinstall": "xpi",
    "application/x-chrome-extension": "crx",
    # Data and models.
    "application/vnd.sqlite3": "sqlite sqlite3",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
    "application/x-hdf5": "h5 hdf5",
    "application/x-netcdf": "nc cdf",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/gpx+xml": "gpx",
    "application/vnd.mapbox-vector-tile": "mvt",
    "model/gltf+json": "gltf",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/stl": "stl",
    "model/vnd.usdz+zip": "usdz",
    # Keys and signatures.
    "application/pem-certificate-chain": "pem",
    "application/pkix-cert": "cer crt",
    "application/pkcs8": "p8",
    "application/pkcs10": "p10 csr",
    "application/x-pkcs12": "p12 pfx",
    "application/pgp-signature": "sig",
    "application/x-bittorrent": "torrent",
}  # fmt: skip

_TEXTS = (
    "authors changelog changes codeowners contributing contributors copying copyright dockerfile gemfile history "
    "install jenkinsfile justfile licence license makefile news notice procfile rakefile readme thanks todo "
    "vagrantfile version"
)


def _with_charset(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


_BY_SUFFIX = {suffix: _with_charset(kind) for kind, all_of in _SUFFIXES_BY_TYPE.items() for suffix in all_of.split()}
_BY_NAME = dict.fromkeys(_TEXTS.split(), _with_charset("text/plain"))


def media_type(name: str) -> str:
    """The Content-Type of a file by its name, or its path; what is no text in it may be there as surrogate escapes."""
    last = name.rpartition("/")[2].lower()
    _, dot, suffix = last.rpartition(".")
    return _BY_SUFFIX.get(suffix, UNKNOWN) if dot else _BY_NAME.get(last, UNKNOWN)
