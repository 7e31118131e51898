"""Applications of WSGI as their authors write them: Flask's first page, a larger one, and configurations of others."""

FLASK_HELLO = '''
from flask import Flask

app = Flask(__name__)

@app.route("/")
def hello_world():
    return "<p>Hello, World!</p>"
'''

FLASK_MORE = '''
import io
import sys
from flask import Flask, Response, flash, redirect, request, send_file, session, stream_with_context, url_for


def create_app():
    app = Flask(__name__)
    app.secret_key = "for a test"

    @app.get("/stream")
    def stream():
        @stream_with_context
        def lines():
            for number in range(3):
                yield f"{number} {request.args['name']}\\n"
        return lines()

    @app.post("/upload")
    def upload():
        file = request.files["file"]
        return {"name": file.filename, "size": len(file.read()), "form": request.form.get("text")}

    @app.post("/raw")
    def raw():
        return {"size": len(request.get_data()), "length": request.content_length}

    @app.get("/file")
    def file():
        return send_file(__file__, mimetype="text/plain", conditional=True)

    @app.get("/memory")
    def memory():
        return send_file(io.BytesIO(b"from memory"), mimetype="text/plain")

    @app.get("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/name/<path:name>")
    def name(name):
        return {"name": name, "url": request.url, "root": request.script_root, "to": url_for("stream")}

    @app.get("/cookies")
    def cookies():
        response = Response("two")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    @app.get("/broken")
    def broken():
        def lines():
            yield "one\\n"
            raise LookupError("the second is missing")
        return lines()

    @app.get("/endless")
    def endless():
        def lines():
            try:
                while True:
                    yield "more\\n" * 1000
            finally:
                print("the stream was closed", file=sys.stderr, flush=True)
        return lines()

    return app
'''

WSGIDAV = '''
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

application = WsgiDAVApp({
    "provider_mapping": {"/": FilesystemProvider("shared")},
    "simple_dc": {"user_mapping": {"*": True}},
    "verbose": 1,
    "http_authenticator": {"domain_controller": None},
})
'''

WEBDAV_CLIENT = '''
import sys
from webdav3.client import Client
from webdav3.exceptions import WebDavException

with open("short.txt", "w") as file:
    file.write("written by who has the lock")
client = Client({"webdav_hostname": sys.argv[1]})
client.mkdir("folder")
client.upload_sync(remote_path="folder/one.txt", local_path="local.txt")
client.copy("folder/one.txt", "folder/two.txt")
client.move("folder/two.txt", "folder/three.txt")
client.download_sync(remote_path="folder/three.txt", local_path="back.txt")
print("then:", sorted(client.list("folder")), client.check("folder/two.txt"), client.info("folder/three.txt")["size"])
with client.lock("folder/one.txt") as locked:
    try:
        client.upload_sync(remote_path="folder/one.txt", local_path="short.txt")
    except WebDavException:
        print("then:", "locked: the other one may not write")
    locked.upload_sync(remote_path="folder/one.txt", local_path="short.txt")
client.download_sync(remote_path="folder/one.txt", local_path="short-back.txt")
print("then:", open("short-back.txt").read())
client.clean("folder")
print("then:", client.check("folder"))
'''

PROMETHEUS = '''
from prometheus_client import Counter, make_wsgi_app

Counter("visits", "How many came").inc(3)
app = make_wsgi_app()
'''

PROMETHEUS_PARSER = '''
import sys
import urllib.request
from prometheus_client.parser import text_string_to_metric_families

with urllib.request.urlopen(sys.argv[1]) as reply:
    text = reply.read().decode()
for family in text_string_to_metric_families(text):
    samples = [f"{each.name} {each.labels} {each.value}" for each in family.samples]
    print(family.type, family.name, *samples)
'''
